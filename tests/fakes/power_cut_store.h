// A store on a disk that loses power before each use of it: whatever was acknowledged until then
// has to be in what the cut leaves, and nothing else.
#pragma once

#include <memory>
#include <string>

#include "common/base/random.h"
#include "control-server/store/sqlite_store.h"
#include "tests/fakes/power_vfs.h"

namespace p2p::server {

// One thread. `directory` exists and outlives it.
class PowerCutStore {
 public:
  explicit PowerCutStore(std::string directory);
  // Cuts the power on a copy, opens that (which checks its integrity) and compares every row with
  // what is committed. Then the store itself, which saw nothing of it.
  Store& Get();
  void Reopen();
  int cuts() const { return cuts_; }

 private:
  std::string File(const char* name) const { return directory_ + "/" + name; }
  std::unique_ptr<SqliteStore> Open();

  const std::string directory_;
  PowerVfs disk_{"power-cut-store"};
  SeededRandom random_{11};
  std::unique_ptr<SqliteStore> store_;
  int cuts_ = 0;
};

}  // namespace p2p::server
