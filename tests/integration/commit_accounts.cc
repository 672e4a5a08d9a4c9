// Helper of store_kill_test: commits accounts through a StoreQueue without end and prints the id of
// each on standard output once it was acknowledged. Waits to be killed.
#include <unistd.h>

#include <cstdio>
#include <semaphore>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/crypto/os_random.h"
#include "control-server/store/sqlite_store.h"
#include "control-server/store/store_queue.h"

namespace p2p::server {
namespace {

// One write each, so that a line is whole or not there.
void Print(const std::string& line) {
  if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    ::_exit(3);
  }
}

int Main(const std::string& path) {
  auto store = SqliteStore::Open(path);
  if (!store.ok()) {
    std::fprintf(stderr, "%s\n", store.status().ToString().c_str());
    return 1;
  }
  crypto::OsRandom random;
  StoreQueue queue(**store, [](const absl::Status&) { ::_exit(4); });
  std::counting_semaphore<> places(64);  // Under way at once.
  Print("ready\n");
  while (true) {
    places.acquire();
    Account account;
    account.id = random.NewId<UserId>();
    account.username = absl::StrCat("u", account.id.Hex().substr(0, 30));
    queue.Submit([account](Store& s) { return s.CreateAccount(account); },
                 [id = account.id, &places](const absl::Status& created) {
                   if (created.ok()) Print(absl::StrCat(id.Hex(), "\n"));
                   places.release();
                 });
  }
}

}  // namespace
}  // namespace p2p::server

int main(int argc, char** argv) { return argc == 2 ? p2p::server::Main(argv[1]) : 2; }
