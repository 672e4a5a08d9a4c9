#include "peer-client/state/record_log.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/crypto/hash.h"

namespace p2p::client {
namespace {

constexpr size_t kChecksumSize = 8;
constexpr size_t kRecordHeader = 4 + kChecksumSize;

std::array<uint8_t, kChecksumSize> Checksum(ByteView payload) {
  const Bytes size = ByteWriter().U32(static_cast<uint32_t>(payload.size())).Release();
  const auto digest = crypto::Sha256(size, payload);
  std::array<uint8_t, kChecksumSize> out;
  std::copy_n(digest.begin(), out.size(), out.begin());
  return out;
}

void WriteRecord(ByteView payload, ByteWriter& out) {
  P2P_CHECK(!payload.empty() && payload.size() <= RecordLog::kMaxRecord);
  out.U32(static_cast<uint32_t>(payload.size())).Append(Checksum(payload)).Append(payload);
}

// The next whole record, or nullopt where the file ends or is torn.
std::optional<ByteView> ReadRecord(ByteReader& in) {
  const size_t size = in.U32();
  const auto checksum = in.Array<kChecksumSize>();
  if (size == 0 || size > RecordLog::kMaxRecord) return std::nullopt;
  const ByteView payload = in.Take(size);
  if (!in.ok() || Checksum(payload) != checksum) return std::nullopt;
  return payload;
}

}  // namespace

RecordLog::RecordLog(LogStorage& storage, std::string path, std::string magic)
    : storage_(storage), path_(std::move(path)), magic_(std::move(magic)) {}

absl::StatusOr<std::unique_ptr<RecordLog>> RecordLog::Open(
    LogStorage& storage, const std::string& path, absl::string_view magic,
    const std::function<absl::Status(ByteView)>& on_record) {
  P2P_CHECK(magic.size() == kMagicSize);
  auto content = storage.Read(path);
  if (absl::IsNotFound(content.status())) {
    P2P_RETURN_IF_ERROR(storage.Replace(path, magic));
    content = std::string(magic);
  }
  P2P_RETURN_IF_ERROR(content.status());
  if (content->size() < kMagicSize || content->substr(0, kMagicSize) != std::string(magic)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is not a journal of this version; move it away to go on without it"));
  }
  std::unique_ptr<RecordLog> log(new RecordLog(storage, path, std::string(magic)));
  ByteReader in(AsBytes(*content).subspan(kMagicSize));
  log->size_ = kMagicSize;
  while (in.remaining() > 0) {
    const auto payload = ReadRecord(in);
    if (!payload) break;
    P2P_RETURN_IF_ERROR(on_record(*payload));
    log->size_ += kRecordHeader + payload->size();
  }
  log->dropped_bytes_ = content->size() - log->size_;
  P2P_ASSIGN_OR_RETURN(log->file_, storage.OpenAt(path, log->size_));
  return log;
}

absl::Status RecordLog::Fail(absl::Status error) {
  if (!error.ok()) failed_ = error;
  return error;
}

absl::Status RecordLog::Append(ByteView record) {
  P2P_RETURN_IF_ERROR(Defer(record));
  return Flush();
}

absl::Status RecordLog::Defer(ByteView record) {
  P2P_RETURN_IF_ERROR(failed_);
  ByteWriter out;
  WriteRecord(record, out);
  if (size_ + out.bytes().size() > kMaxFile) {
    return absl::ResourceExhaustedError(absl::StrCat(path_, " is full"));
  }
  waiting_.insert(waiting_.end(), out.bytes().begin(), out.bytes().end());
  size_ += out.bytes().size();
  dirty_ = true;
  return absl::OkStatus();
}

absl::Status RecordLog::Flush() {
  P2P_RETURN_IF_ERROR(failed_);
  if (waiting_.empty()) return absl::OkStatus();
  P2P_RETURN_IF_ERROR(Fail(file_->Append(waiting_)));
  waiting_.clear();
  return absl::OkStatus();
}

absl::Status RecordLog::Sync() {
  P2P_RETURN_IF_ERROR(Flush());
  if (!dirty_) return absl::OkStatus();
  P2P_RETURN_IF_ERROR(Fail(file_->Sync()));
  dirty_ = false;
  return absl::OkStatus();
}

absl::Status RecordLog::Rewrite(const std::vector<Bytes>& records) {
  P2P_RETURN_IF_ERROR(failed_);
  ByteWriter out;
  out.Append(magic_);
  for (const Bytes& record : records) WriteRecord(record, out);
  P2P_RETURN_IF_ERROR(Fail(storage_.Replace(path_, AsText(out.bytes()))));
  auto file = storage_.OpenAt(path_, out.bytes().size());
  if (!file.ok()) return Fail(file.status());
  file_ = *std::move(file);
  waiting_.clear();  // Who rewrites knows what was said.
  size_ = out.bytes().size();
  dirty_ = false;
  return absl::OkStatus();
}

}  // namespace p2p::client
