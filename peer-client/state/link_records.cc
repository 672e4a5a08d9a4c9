#include "peer-client/state/link_records.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/net/file.h"

namespace p2p::client {
namespace {

constexpr absl::string_view kMagic = "p2plink2";
constexpr absl::string_view kFirstMagic = "p2plink1";
constexpr absl::string_view kSuffix = ".link";
enum Flags : uint8_t { kRequested = 1, kControls = 2, kHangingUp = 4, kEnded = 8 };

}  // namespace

LinkRecord LinkRecord::Clone() const {
  return {.id = id,
          .we_requested = we_requested,
          .we_control = we_control,
          .me = me,
          .peer = peer,
          .secret = secret.Clone(),
          .approval_until = approval_until,
          .talk_until = talk_until,
          .hanging_up = hanging_up,
          .ended = ended};
}

//   "p2plink2"  flags u8  approval_until u64  talk_until u64 (0: none)  secret 32  size u16
//   introduction. "p2plink1" has no talk_until.
// The introduction's codec carries both parties; its times are not used.
Bytes SerializeLinkRecord(const LinkRecord& record) {
  wire::Introduction parties{.id = record.id,
                             .issued = {},
                             .expires = {},
                             .requester = record.we_requested ? record.me : record.peer,
                             .target = record.we_requested ? record.peer : record.me};
  parties.requester.nonce = {};
  parties.target.nonce = {};
  const Bytes object = parties.Serialize();
  const int flags = (record.we_requested ? kRequested : 0) | (record.we_control ? kControls : 0) |
                    (record.hanging_up ? kHangingUp : 0) | (record.ended ? kEnded : 0);
  ByteWriter out;
  out.Append(kMagic).U8(static_cast<uint8_t>(flags));
  out.U64(static_cast<uint64_t>(ToMs(record.approval_until)));
  out.U64(record.talk_until ? static_cast<uint64_t>(ToMs(*record.talk_until)) : 0);
  out.Append(record.secret.view());
  out.U16(static_cast<uint16_t>(object.size())).Append(object);
  return out.Release();
}

std::optional<LinkRecord> ParseLinkRecord(ByteView bytes) {
  ByteReader in(bytes);
  const absl::string_view magic = AsText(in.Take(kMagic.size()));
  if (magic != kMagic && magic != kFirstMagic) return std::nullopt;
  LinkRecord record;
  const uint8_t flags = in.U8();
  record.we_requested = (flags & kRequested) != 0;
  record.we_control = (flags & kControls) != 0;
  record.hanging_up = (flags & kHangingUp) != 0;
  record.approval_until = WallFromMs(static_cast<int64_t>(in.U64()));
  record.ended = (flags & kEnded) != 0;
  const uint64_t talk_until = magic == kMagic ? in.U64() : 0;
  if (talk_until != 0) record.talk_until = WallFromMs(static_cast<int64_t>(talk_until));
  record.secret = Secret<wire::kLinkSize>(in.Array<wire::kLinkSize>());
  auto parties = wire::Introduction::Parse(in.Take(in.U16()));
  if (!parties || !in.done()) return std::nullopt;
  record.id = parties->id;
  record.me = record.we_requested ? parties->requester : parties->target;
  record.peer = record.we_requested ? parties->target : parties->requester;
  return record;
}

LinkRecordStore::LinkRecordStore(LogStorage& storage, std::string directory)
    : storage_(&storage), directory_(std::move(directory)) {}

absl::StatusOr<LinkRecordStore> LinkRecordStore::Open(LogStorage& storage, std::string directory) {
  P2P_RETURN_IF_ERROR(net::MakePrivateDirectory(directory));
  return LinkRecordStore(storage, std::move(directory));
}

std::string LinkRecordStore::RecordPath(const RequestId& id) const {
  return absl::StrCat(directory_, "/", id.Hex(), kSuffix);
}
std::string LinkRecordStore::JournalPath(const RequestId& id) const {
  return absl::StrCat(directory_, "/", id.Hex(), ".chat");
}

absl::StatusOr<LinkRecordStore::Loaded> LinkRecordStore::Load() const {
  Loaded loaded;
  std::error_code error;
  std::filesystem::directory_iterator files(directory_, error);
  if (error) return absl::UnavailableError(absl::StrCat(directory_, ": ", error.message()));
  for (const auto& file : files) {
    const std::string name = file.path().filename().string();
    if (!absl::EndsWith(name, kSuffix)) continue;
    P2P_ASSIGN_OR_RETURN(const std::string content, storage_->Read(file.path().string()));
    auto record = ParseLinkRecord(AsBytes(content));
    if (record && name == absl::StrCat(record->id.Hex(), kSuffix)) {
      loaded.records.push_back(*std::move(record));
    } else {
      loaded.unreadable.push_back(name);
    }
  }
  std::ranges::sort(loaded.records, [](const LinkRecord& a, const LinkRecord& b) {
    return std::tie(a.approval_until, a.id) < std::tie(b.approval_until, b.id);
  });
  return loaded;
}

absl::Status LinkRecordStore::Put(const LinkRecord& record) {
  Bytes content = SerializeLinkRecord(record);
  const absl::Status status = storage_->Replace(RecordPath(record.id), AsText(content));
  Wipe(content.data(), content.size());
  return status;
}

absl::Status LinkRecordStore::Remove(const RequestId& id) {
  // The record first: a journal without one is never opened.
  P2P_RETURN_IF_ERROR(storage_->Remove(RecordPath(id)));
  return storage_->Remove(JournalPath(id));
}

}  // namespace p2p::client
