// Append-only files of checksummed records: the chat and broadcast journals. What was synced
// survives loss of power; a tail torn by it is recognised and cut off.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/bytes.h"

namespace p2p::client {

// An open journal file, written at its end only.
class LogFile {
 public:
  virtual ~LogFile() = default;
  virtual absl::Status Append(ByteView data) = 0;  // All of it, or an error.
  virtual absl::Status Sync() = 0;                 // Everything appended so far is on the disk.
};

// The file operations of journals; a seam, so that tests can drop what was not synced. Paths are
// plain files in private directories.
class LogStorage {
 public:
  virtual ~LogStorage() = default;
  virtual absl::StatusOr<std::string> Read(const std::string& path) = 0;  // NotFound when absent.
  // Cuts an existing file to `size` and opens it for appending.
  virtual absl::StatusOr<std::unique_ptr<LogFile>> OpenAt(const std::string& path, size_t size) = 0;
  // Atomic and durable when it returns; creates the file (0600) when absent.
  virtual absl::Status Replace(const std::string& path, absl::string_view content) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;  // Durable; absent is OK.
};

// The real one. Stateless.
class DiskStorage final : public LogStorage {
 public:
  absl::StatusOr<std::string> Read(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<LogFile>> OpenAt(const std::string& path, size_t size) override;
  absl::Status Replace(const std::string& path, absl::string_view content) override;
  absl::Status Remove(const std::string& path) override;
};

//   file:   magic 8   record*
//   record: length u32 (1 to 1 MiB)   checksum 8 = SHA-256(length ‖ payload) cut   payload
// After a failed write or sync the log refuses everything: what the disk holds is unknown until the
// next start (never retry a failed fsync). One thread.
class RecordLog {
 public:
  static constexpr size_t kMagicSize = 8;
  static constexpr size_t kMaxRecord = 1024 * 1024;
  static constexpr size_t kMaxFile = 256 * 1024 * 1024;

  // Reads every record in order; an error of `on_record` ends the opening with that error. `magic`
  // is 8 bytes and names the content and its version; another one is FailedPrecondition. Creates
  // the file when absent.
  static absl::StatusOr<std::unique_ptr<RecordLog>> Open(
      LogStorage& storage, const std::string& path, absl::string_view magic,
      const std::function<absl::Status(ByteView)>& on_record);

  // Written; durable only after Sync.
  absl::Status Append(ByteView record);
  // Written with the next Append, Sync or Flush, in this order: one write for several.
  absl::Status Defer(ByteView record);
  bool deferred() const { return !waiting_.empty(); }
  absl::Status Flush();
  absl::Status Sync();
  // Replaces the whole content: compaction. Durable when it returns.
  absl::Status Rewrite(const std::vector<Bytes>& records);

  const absl::Status& failure() const { return failed_; }  // What everything answers from now on.
  size_t size() const { return size_; }                    // Of the file, in bytes.
  size_t dropped_bytes() const { return dropped_bytes_; }  // Torn tail found by Open.

 private:
  RecordLog(LogStorage& storage, std::string path, std::string magic);
  absl::Status Fail(absl::Status error);

  LogStorage& storage_;
  std::string path_;
  std::string magic_;
  std::unique_ptr<LogFile> file_;
  Bytes waiting_;    // Whole records that are not written yet.
  size_t size_ = 0;  // With what waits.
  size_t dropped_bytes_ = 0;
  bool dirty_ = false;
  absl::Status failed_;
};

}  // namespace p2p::client
