// Link records: what is left of an introduction for as long as its approval lasts. One file each.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/id.h"
#include "common/base/secret.h"
#include "common/base/time.h"
#include "common/wire/introduction.h"
#include "peer-client/state/record_log.h"

namespace p2p::client {

struct LinkRecord {
  RequestId id;  // Of the introduction.
  bool we_requested = false;
  bool we_control = false;
  // Name, uid, key, observed address, candidates of both. The nonces are wiped: `secret` came of
  // them.
  wire::IntroducedParty me;
  wire::IntroducedParty peer;
  Secret<wire::kLinkSize> secret;
  WallTime approval_until;
  // We hang up then; nullopt: the approval's end is soon enough.
  std::optional<WallTime> talk_until = {};
  bool hanging_up = false;  // Kept only until the peer has heard that it is over.
  bool ended = false;  // Kept only until everything received has been shown. No secret any more.

  LinkRecord Clone() const;
};

// Serialised form, for the file and its tests. Parse: nullopt for anything but one whole record.
Bytes SerializeLinkRecord(const LinkRecord& record);
std::optional<LinkRecord> ParseLinkRecord(ByteView in);

// One thread. Files `<id>.link` (0600) in a directory of their own, replaced atomically.
class LinkRecordStore {
 public:
  // Makes the directory (0700) when absent.
  static absl::StatusOr<LinkRecordStore> Open(LogStorage& storage, std::string directory);

  struct Loaded {
    std::vector<LinkRecord> records;      // Oldest approval first.
    std::vector<std::string> unreadable;  // File names; left alone.
  };
  absl::StatusOr<Loaded> Load() const;
  absl::Status Put(const LinkRecord& record);  // Durable when OK.
  // Removes record and journal, durably. Absent is OK.
  absl::Status Remove(const RequestId& id);
  std::string JournalPath(const RequestId& id) const;

 private:
  LinkRecordStore(LogStorage& storage, std::string directory);
  std::string RecordPath(const RequestId& id) const;
  LogStorage* storage_;
  std::string directory_;
};

}  // namespace p2p::client
