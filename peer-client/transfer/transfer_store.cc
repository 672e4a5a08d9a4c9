#include "peer-client/transfer/transfer_store.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "common/net/file.h"

namespace p2p::client {
namespace {

using Json = nlohmann::json;

constexpr TransferState kStates[] = {TransferState::kHashing,   TransferState::kOffered,
                                     TransferState::kAccepted,  TransferState::kDone,
                                     TransferState::kCancelled, TransferState::kFailed};
constexpr size_t kMostBytes = 64 * 1024;

}  // namespace

absl::string_view TransferStateName(TransferState state) {
  switch (state) {
    case TransferState::kHashing:
      return "preparing";
    case TransferState::kOffered:
      return "offered";
    case TransferState::kAccepted:
      return "accepted";
    case TransferState::kDone:
      return "done";
    case TransferState::kCancelled:
      return "cancelled";
    case TransferState::kFailed:
      return "failed";
  }
  return "";
}

std::string SerializeTransfer(const TransferRecord& record) {
  // A path is bytes, and JSON is text: hex keeps every name.
  const Json j{{"id", record.id.Hex()},
               {"peer", record.peer},
               {"peer_uid", record.peer_uid.Hex()},
               {"peer_key", HexEncode(record.peer_key)},
               {"incoming", record.incoming},
               {"name", record.name},
               {"path", HexEncode(AsBytes(record.path))},
               {"size", record.size},
               {"modified_ns", record.modified_ns},
               {"sha256", HexEncode(record.sha256)},
               {"state", std::string(TransferStateName(record.state))},
               {"reason", record.reason},
               {"told", record.told},
               {"order", record.order}};
  return j.dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::optional<TransferRecord> ParseTransfer(absl::string_view text) {
  const Json j = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!j.is_object()) return std::nullopt;
  try {
    TransferRecord out;
    const auto id = FileId::FromHex(j.at("id").get<std::string>());
    const auto path = HexDecode(j.at("path").get<std::string>());
    const auto digest = HexDecode(j.at("sha256").get<std::string>());
    const std::string state = j.at("state").get<std::string>();
    const auto known = std::find_if(std::begin(kStates), std::end(kStates),
                                    [&](TransferState s) { return TransferStateName(s) == state; });
    // A number with a fraction or an exponent is none of ours, and may fit no integer.
    for (const char* whole : {"size", "order"}) {
      if (!j.at(whole).is_number_unsigned()) return std::nullopt;
    }
    if (!j.at("modified_ns").is_number_integer()) return std::nullopt;
    if (!id || !path || !digest || digest->size() != out.sha256.size() ||
        known == std::end(kStates)) {
      return std::nullopt;
    }
    out.id = *id;
    out.peer = j.at("peer").get<std::string>();
    if (j.contains("peer_uid")) {
      const auto uid = UserId::FromHex(j.at("peer_uid").get<std::string>());
      const auto key = HexDecode(j.at("peer_key").get<std::string>());
      if (!uid || !key || key->size() != out.peer_key.size()) return std::nullopt;
      out.peer_uid = *uid;
      std::copy(key->begin(), key->end(), out.peer_key.begin());
    }
    out.incoming = j.at("incoming").get<bool>();
    out.name = j.at("name").get<std::string>();
    out.path = ToString(*path);
    out.size = j.at("size").get<uint64_t>();
    out.modified_ns = j.at("modified_ns").get<int64_t>();
    std::copy(digest->begin(), digest->end(), out.sha256.begin());
    out.state = *known;
    out.reason = j.at("reason").get<std::string>();
    out.told = j.value("told", "");
    out.order = j.at("order").get<uint64_t>();
    return out;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

absl::StatusOr<TransferStore> TransferStore::Open(std::string directory) {
  P2P_RETURN_IF_ERROR(net::MakePrivateDirectory(directory));
  return TransferStore(std::move(directory));
}

std::vector<TransferRecord> TransferStore::Load() const {
  std::vector<TransferRecord> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    if (!absl::EndsWith(entry.path().string(), ".transfer")) continue;
    const auto text = net::ReadFile(entry.path().string(), kMostBytes);
    auto record = text.ok() ? ParseTransfer(*text) : std::nullopt;
    if (record) out.push_back(*std::move(record));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.order < b.order; });
  return out;
}

absl::Status TransferStore::Put(const TransferRecord& record) {
  return net::WriteFileAtomically(absl::StrCat(directory_, "/", record.id.Hex(), ".transfer"),
                                  SerializeTransfer(record));
}

void TransferStore::Remove(const FileId& id) {
  (void)::unlink(absl::StrCat(directory_, "/", id.Hex(), ".transfer").c_str());
}

}  // namespace p2p::client
