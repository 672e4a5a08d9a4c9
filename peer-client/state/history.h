// What was said, for the user to read and search again: one SQLite file of the user's own. Nothing
// depends on it; what must not be lost is in the journals.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/time.h"

namespace p2p::client {

struct HistoryEntry {
  enum class Kind { kIn, kOut, kBroadcast };
  Kind kind = Kind::kIn;
  std::string peer;  // Of a broadcast its sender; empty: anonymous.
  std::string id;    // Of the message, in hex; the same one is kept once.
  WallTime at;
  std::string text;  // Untrusted unless it is kOut.
};
absl::string_view HistoryKindName(HistoryEntry::Kind kind);  // "in", "out", "broadcast".

// One thread. Not fsynced: a loss of power may cost the newest lines.
class History {
 public:
  static constexpr size_t kMost = 1000;  // Of one answer.

  // Makes the file (0600) when absent. DataLoss, FailedPrecondition: it is no history of ours.
  static absl::StatusOr<std::unique_ptr<History>> Open(const std::string& path);
  // Off leaves no file: it and what SQLite puts beside it.
  static void RemoveFile(const std::string& path);
  ~History();

  absl::Status Add(const HistoryEntry& entry);
  // The newest `most` with this peer (broadcasts of his included), or of all when it is empty;
  // oldest first.
  absl::StatusOr<std::vector<HistoryEntry>> Newest(absl::string_view peer, size_t most) const;
  // The newest `most` that hold these words, without regard to case of ASCII letters.
  absl::StatusOr<std::vector<HistoryEntry>> Search(absl::string_view text, size_t most) const;
  // Everything, one JSON object a line, into a new file (0600); how many. AlreadyExists: nothing is
  // overwritten.
  absl::StatusOr<size_t> Export(const std::string& path) const;
  // What is older is gone from the file, too.
  absl::Status Forget(WallTime before);

 private:
  struct Db;
  explicit History(std::unique_ptr<Db> db);
  std::unique_ptr<Db> db_;
};

}  // namespace p2p::client
