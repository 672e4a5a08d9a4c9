// seed_sessions DATA_DIR COUNT: accounts user00000, user00001, … with one session each, in the
// database of a server that is not running. Prints "name access-token resume-token device-seed" a
// line. All have one password that nobody knows: a log-in costs its hash and fails.
#include <cstdio>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/crypto/os_random.h"
#include "common/crypto/password.h"
#include "common/crypto/sign.h"
#include "control-server/service/session_table.h"
#include "control-server/store/data_directory.h"
#include "control-server/store/sqlite_store.h"

namespace p2p::server {
namespace {

absl::Status Seed(const std::string& path, size_t count) {
  auto directory = DataDirectory::Open(path);
  if (!directory.ok()) return directory.status();
  auto store = SqliteStore::Open(directory->database());
  if (!store.ok()) return store.status();
  crypto::OsRandom random;
  const WallTime now = SystemClock().Wall();
  const std::string phc = crypto::HashPassword(Base64UrlEncode(random.Array<32>()), random);
  return (*store)->Group([&]() -> absl::Status {
    for (size_t i = 0; i < count; ++i) {
      Account account;
      account.id = random.NewId<UserId>();
      account.username = absl::StrFormat("user%05d", i);
      account.phc = phc;
      account.created_at = now;
      if (absl::Status status = (*store)->CreateAccount(account); !status.ok()) return status;
      const auto device = crypto::SigningKey::Generate();
      const auto access = random.Array<32>();
      const auto resume = random.Array<32>();
      TokenRecord token;
      token.hash = token.session = HashToken(access);
      token.account = account.id;
      token.device_key = device.public_key();
      token.chat_port = 4400;
      token.issued_at = now;
      token.expires_at = now + std::chrono::hours(12);
      ResumeFamily family;
      family.session = token.session;
      family.account = account.id;
      family.device_key = token.device_key;
      family.chat_port = token.chat_port;
      family.started_at = family.renewed_at = now;
      family.generation = token.generation;
      if (auto put = (*store)->PutResume(family, HashToken(resume), 8); !put.ok()) {
        return put.status();
      }
      if (auto put = (*store)->PutToken(token, 8); !put.ok()) return put.status();
      std::printf("%s %s %s %s\n", account.username.c_str(), Base64UrlEncode(access).c_str(),
                  Base64UrlEncode(resume).c_str(), Base64UrlEncode(device.seed().view()).c_str());
    }
    return absl::OkStatus();
  });
}

}  // namespace
}  // namespace p2p::server

int main(int argc, char** argv) {
  size_t count = 0;
  if (argc != 3 || !absl::SimpleAtoi(argv[2], &count)) return 2;
  const absl::Status status = p2p::server::Seed(argv[1], count);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
