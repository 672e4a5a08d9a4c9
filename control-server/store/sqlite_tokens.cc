#include "control-server/store/sqlite_tokens.h"

namespace p2p::server {

std::vector<TokenHash> SqliteTokens::HashesOf(UserId account) {
  std::vector<TokenHash> out;
  Query query(db_, "SELECT hash FROM tokens WHERE account = ? ORDER BY issued_ms, hash");
  query.Blob(account.view());
  while (query.Next()) out.push_back(query.GetId<TokenHash>(0));
  return out;
}

void SqliteTokens::DropSession(TokenHash session) {
  Query(db_, "DELETE FROM tokens WHERE session = ?").Blob(session.view()).Run();
  Query(db_, "DELETE FROM resume_families WHERE session = ?").Blob(session.view()).Run();
}

std::vector<TokenHash> SqliteTokens::OtherSessionsOf(const TokenRecord& token) {
  std::vector<TokenHash> out;
  Query query(db_,
              "SELECT session FROM tokens WHERE account = ? AND session <> ? "
              "GROUP BY session ORDER BY MAX(issued_ms), session");
  query.Blob(token.account.view()).Blob(SessionOf(token).view());
  while (query.Next()) out.push_back(query.GetId<TokenHash>(0));
  return out;
}

absl::StatusOr<std::vector<TokenHash>> SqliteTokens::Put(const TokenRecord& token,
                                                         size_t max_per_account) {
  if (max_per_account == 0) return absl::InvalidArgumentError("max_per_account is 0");
  std::vector<TokenHash> dropped;
  const absl::Status status = db_.Atomically([&]() -> absl::Status {
    Query insert(db_,
                 "INSERT INTO tokens (hash, account, device_key, chat_port, issued_ms, expires_ms, "
                 "session, generation) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    insert.Blob(token.hash.view()).Blob(token.account.view()).Blob(token.device_key);
    insert.Int(token.chat_port).Time(token.issued_at).Time(token.expires_at);
    insert.Blob(SessionOf(token).view()).Int(token.generation).Run();
    const std::vector<TokenHash> others = OtherSessionsOf(token);
    for (size_t i = 0; i + max_per_account <= others.size(); ++i) {
      DropSession(others[i]);
      dropped.push_back(others[i]);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return dropped;
}

absl::Status SqliteTokens::Delete(TokenHash hash) {
  return db_.Atomically([&]() -> absl::Status {
    Query(db_, "DELETE FROM tokens WHERE hash = ?").Blob(hash.view()).Run();
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<TokenHash>> SqliteTokens::DeleteOf(UserId account) {
  std::vector<TokenHash> out;
  const absl::Status status = db_.Atomically([&]() -> absl::Status {
    out = HashesOf(account);
    Query(db_, "DELETE FROM tokens WHERE account = ?").Blob(account.view()).Run();
    Query(db_, "DELETE FROM resume_families WHERE account = ?").Blob(account.view()).Run();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

absl::StatusOr<std::vector<TokenRecord>> SqliteTokens::List(WallTime now) {
  std::vector<TokenRecord> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_,
                "SELECT hash, account, device_key, chat_port, issued_ms, expires_ms, session, "
                "generation FROM tokens WHERE expires_ms > ?");
    query.Time(now);
    while (query.Next()) {
      TokenRecord token;
      token.hash = query.GetId<TokenHash>(0);
      token.account = query.GetId<UserId>(1);
      token.device_key = query.GetArray<32>(2);
      token.chat_port = static_cast<uint16_t>(query.GetInt(3));
      token.issued_at = query.GetTime(4);
      token.expires_at = query.GetTime(5);
      if (const auto session = query.GetId<TokenHash>(6); session != token.hash) {
        token.session = session;
      }
      token.generation = static_cast<uint32_t>(query.GetInt(7));
      out.push_back(token);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

}  // namespace p2p::server
