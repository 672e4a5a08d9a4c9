// Whose device key is whose, from the first conversation on (trust on first use, as in RFC
// 4251, 4.1), per account of a server. A key that changed is refused until the user trusts it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/wire/introduction.h"
#include "peer-client/state/record_log.h"

namespace p2p::client {

struct KnownPeer {
  UserId uid;
  UserId my_uid;     // Ours when the key was pinned: part of the safety number.
  std::string name;  // As spelled when last introduced.
  wire::DeviceKey key{};
  bool verified = false;
  bool namesake = false;  // Somebody else had this name before; until verified.
  std::optional<wire::DeviceKey> offered =
      std::nullopt;  // A changed key that waits for the user's word.
  // The one that the user was warned of, or compared since; set when `offered` is.
  std::optional<wire::DeviceKey> compared = std::nullopt;
};

// One thread. Every change is durable when it returns; file 0600, replaced atomically.
class KnownPeers {
 public:
  static constexpr size_t kMax = 4096;  // The longest unused unverified one is forgotten.

  // DataLoss for a damaged file: a pin must not be forgotten silently.
  static absl::StatusOr<KnownPeers> Open(LogStorage& storage, std::string path);

  enum class Verdict { kFirst, kSame, kNamesake, kChanged };
  // Somebody is introduced: pins the key of whoever is new; a changed one is only noted.
  absl::StatusOr<Verdict> Meet(const wire::IntroducedParty& peer, const UserId& me);
  // By name, without regard to case; the one met last. Null: nobody of that name.
  const KnownPeer* Find(absl::string_view name) const;
  const KnownPeer* Find(const UserId& uid) const;
  // The user has compared the safety number. FailedPrecondition while a changed key waits.
  absl::Status MarkVerified(absl::string_view name);
  // The user is shown the number of the changed key that waits, if any.
  absl::Status NoteCompared(absl::string_view name);
  // The changed key takes the place of the old one. FailedPrecondition when none waits, or another
  // one than the user was warned of first or shown last.
  absl::Status Trust(absl::string_view name);

 private:
  KnownPeers(LogStorage& storage, std::string path) : storage_(&storage), path_(std::move(path)) {}
  absl::StatusOr<KnownPeer*> Named(absl::string_view name);
  absl::Status Save() const;

  LogStorage* storage_;
  std::string path_;
  std::vector<KnownPeer> peers_;  // The one met last is the last.
};

}  // namespace p2p::client
