// What is known of each transfer across restarts: one small file each.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/id.h"
#include "common/crypto/hash.h"
#include "common/wire/introduction.h"

namespace p2p::client {

enum class TransferState {
  kHashing,    // Outgoing only: what it is, is being found out.
  kOffered,    // Waits for the receiver's user.
  kAccepted,   // On its way whenever there is a connection.
  kDone,       // Verified and named.
  kCancelled,  // By either user.
  kFailed,
};
absl::string_view TransferStateName(TransferState state);

struct TransferRecord {
  FileId id;
  std::string peer;
  UserId
      peer_uid;  // Whose it is, whoever has the name later. Zero: of a version that noted no one.
  wire::DeviceKey peer_key{};
  bool incoming = false;
  std::string name;  // For incoming ones a safe one.
  std::string path;  // Outgoing: the source. Incoming: where it is, once done.
  uint64_t size = 0;
  int64_t modified_ns = 0;  // Outgoing.
  crypto::Digest256 sha256{};
  TransferState state = TransferState::kOffered;
  std::string reason;  // Cancelled or failed, for our user; may have the peer's words.
  std::string told;    // The same for the peer, who may ask again: fixed words. Empty: cancelled.
  uint64_t order = 0;  // Rises with each new transfer.
  bool over() const {
    return state == TransferState::kDone || state == TransferState::kCancelled ||
           state == TransferState::kFailed;
  }
};

std::string SerializeTransfer(const TransferRecord& record);  // JSON.
std::optional<TransferRecord> ParseTransfer(absl::string_view text);

// One thread; blocks for the disk.
class TransferStore {
 public:
  static constexpr size_t kMostOver = 200;  // Finished ones are kept for the list.

  // Makes the directory (0700) when absent.
  static absl::StatusOr<TransferStore> Open(std::string directory);
  // Oldest first. Files that cannot be read are left alone.
  std::vector<TransferRecord> Load() const;
  absl::Status Put(const TransferRecord& record);  // Durable when OK.
  void Remove(const FileId& id);

 private:
  explicit TransferStore(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
};

}  // namespace p2p::client
