#include "control-server/store/sqlite_tokens.h"

namespace p2p::server {

std::vector<TokenHash> SqliteTokens::HashesOf(UserId account) {
  std::vector<TokenHash> out;
  Query query(db_, "SELECT hash FROM tokens WHERE account = ? ORDER BY issued_ms, hash");
  query.Blob(account.view());
  while (query.Next()) out.push_back(query.GetId<TokenHash>(0));
  return out;
}

void SqliteTokens::Remove(TokenHash hash) {
  Query(db_, "DELETE FROM tokens WHERE hash = ?").Blob(hash.view()).Run();
}

absl::StatusOr<std::vector<TokenHash>> SqliteTokens::Put(const TokenRecord& token,
                                                         size_t max_per_account) {
  if (max_per_account == 0) return absl::InvalidArgumentError("max_per_account is 0");
  std::vector<TokenHash> dropped;
  const absl::Status status = db_.Atomically([&]() -> absl::Status {
    std::vector<TokenHash> held = HashesOf(token.account);
    Query insert(db_,
                 "INSERT INTO tokens (hash, account, device_key, chat_port, issued_ms, expires_ms) "
                 "VALUES (?, ?, ?, ?, ?, ?)");
    insert.Blob(token.hash.view()).Blob(token.account.view()).Blob(token.device_key);
    insert.Int(token.chat_port).Time(token.issued_at).Time(token.expires_at).Run();
    if (held.size() >= max_per_account)
      held.resize(held.size() - max_per_account + 1);
    else
      held.clear();
    for (const TokenHash& hash : held) Remove(hash);
    dropped = std::move(held);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return dropped;
}

absl::Status SqliteTokens::Delete(TokenHash hash) {
  return db_.Atomically([&]() -> absl::Status {
    Remove(hash);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<TokenHash>> SqliteTokens::DeleteOf(UserId account) {
  std::vector<TokenHash> out;
  const absl::Status status = db_.Atomically([&]() -> absl::Status {
    out = HashesOf(account);
    Query(db_, "DELETE FROM tokens WHERE account = ?").Blob(account.view()).Run();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

absl::StatusOr<std::vector<TokenRecord>> SqliteTokens::List(WallTime now) {
  std::vector<TokenRecord> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_,
                "SELECT hash, account, device_key, chat_port, issued_ms, expires_ms FROM tokens "
                "WHERE expires_ms > ?");
    query.Time(now);
    while (query.Next()) {
      TokenRecord token;
      token.hash = query.GetId<TokenHash>(0);
      token.account = query.GetId<UserId>(1);
      token.device_key = query.GetArray<32>(2);
      token.chat_port = static_cast<uint16_t>(query.GetInt(3));
      token.issued_at = query.GetTime(4);
      token.expires_at = query.GetTime(5);
      out.push_back(token);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

}  // namespace p2p::server
