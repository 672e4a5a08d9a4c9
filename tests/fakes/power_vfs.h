// An SQLite VFS whose disk can fill up, fail to sync, or lose power: every write that was not
// synced can then be taken back. Killing a process proves nothing about fsync, since the kernel
// keeps what was written; this does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/bytes.h"
#include "common/base/random.h"

struct sqlite3_vfs;

namespace p2p {

// One thread. Outlives every connection opened through it.
class PowerVfs {
 public:
  explicit PowerVfs(std::string name);
  ~PowerVfs();
  PowerVfs(const PowerVfs&) = delete;
  PowerVfs& operator=(const PowerVfs&) = delete;

  const std::string& name() const { return name_; }
  void set_full(bool full) { full_ = full; }
  void set_sync_fails(bool fails) { sync_fails_ = fails; }
  int syncs() const { return syncs_; }
  // Runs before every write, truncation and sync of a database or its log, on the thread that is
  // about to do it: the moments between which a cut makes a difference.
  void set_before_event(std::function<void()> hook) { before_event_ = std::move(hook); }
  // Connections opened from now on run with this `PRAGMA synchronous` whatever they ask for, and
  // are told 2 (FULL): what a test of power cuts must find.
  void set_synchronous(int level) { synchronous_ = level; }

  // Copies the database `from` (with its log) to `to` as a power cut at this moment could leave it:
  // of the writes since each file's last sync a random number of the first survives, half of the
  // time none, and the one after those is torn. The index of the log is gone. Connections may be
  // open; they see nothing of it.
  absl::Status CutPower(const std::string& from, const std::string& to, Random& random);

  // For the shim.
  struct Change {
    int64_t offset = 0;
    int64_t old_size = 0;
    Bytes old_bytes;     // What stood there.
    size_t written = 0;  // 0: a truncation.
  };
  struct File {
    std::vector<Change> unsynced;
  };
  File& FileOf(const std::string& path) { return files_[path]; }
  bool full() const { return full_; }
  bool sync_fails() const { return sync_fails_; }
  void CountSync() { ++syncs_; }
  void BeforeEvent() const {
    if (before_event_) before_event_();
  }
  std::optional<int> synchronous() const { return synchronous_; }
  sqlite3_vfs* real() const { return real_; }

 private:
  std::string name_;
  sqlite3_vfs* real_;
  std::unique_ptr<sqlite3_vfs> vfs_;
  std::map<std::string, File> files_;
  bool full_ = false;
  bool sync_fails_ = false;
  int syncs_ = 0;
  std::function<void()> before_event_;
  std::optional<int> synchronous_;
};

}  // namespace p2p
