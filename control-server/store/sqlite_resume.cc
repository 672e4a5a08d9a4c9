#include "control-server/store/sqlite_resume.h"

#include "control-server/store/store.h"

namespace p2p::server {
namespace {

// The first eight columns.
ResumeFamily FamilyOf(Query& query) {
  return {.session = query.GetId<TokenHash>(0),
          .account = query.GetId<UserId>(1),
          .device_key = query.GetArray<32>(2),
          .chat_port = static_cast<uint16_t>(query.GetInt(3)),
          .started_at = query.GetTime(4),
          .renewed_at = query.GetTime(5),
          .generation = static_cast<uint32_t>(query.GetInt(6)),
          .newest_used = query.GetBool(7)};
}

}  // namespace

void SqliteResume::Remove(TokenHash session) {
  Query(db_, "DELETE FROM tokens WHERE session = ?").Blob(session.view()).Run();
  Query(db_, "DELETE FROM resume_families WHERE session = ?").Blob(session.view()).Run();
}

std::vector<TokenHash> SqliteResume::SessionsOf(UserId account) {
  std::vector<TokenHash> out;
  Query query(db_,
              "SELECT session FROM resume_families WHERE account = ? ORDER BY renewed_ms, session");
  query.Blob(account.view());
  while (query.Next()) out.push_back(query.GetId<TokenHash>(0));
  return out;
}

absl::StatusOr<std::vector<TokenHash>> SqliteResume::Put(const ResumeFamily& family,
                                                         TokenHash token, size_t max_per_account) {
  if (max_per_account == 0) return absl::InvalidArgumentError("max_per_account is 0");
  std::vector<TokenHash> dropped;
  const absl::Status status = db_.Atomically([&]() -> absl::Status {
    Query put(db_,
              "INSERT INTO resume_families (session, account, device_key, chat_port, started_ms, "
              "renewed_ms, generation, newest_used) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
              "ON CONFLICT (session) DO UPDATE SET device_key = excluded.device_key, "
              "chat_port = excluded.chat_port, renewed_ms = excluded.renewed_ms, "
              "generation = excluded.generation, newest_used = excluded.newest_used");
    put.Blob(family.session.view()).Blob(family.account.view()).Blob(family.device_key);
    put.Int(family.chat_port).Time(family.started_at).Time(family.renewed_at);
    put.Int(family.generation).Int(family.newest_used).Run();
    Query(db_,
          "DELETE FROM resume_tokens WHERE session = ? AND (generation >= ? OR generation <= ?)")
        .Blob(family.session.view())
        .Int(family.generation)
        .Int(int64_t{family.generation} - kMaxResumeTokens)
        .Run();
    Query(db_, "DELETE FROM tokens WHERE session = ? AND generation >= ?")
        .Blob(family.session.view())
        .Int(family.generation)
        .Run();
    Query insert(db_, "INSERT INTO resume_tokens (hash, session, generation) VALUES (?, ?, ?)");
    insert.Blob(token.view()).Blob(family.session.view()).Int(family.generation).Run();
    std::vector<TokenHash> others = SessionsOf(family.account);
    std::erase(others, family.session);
    for (size_t i = 0; i + max_per_account <= others.size(); ++i) {
      Remove(others[i]);
      dropped.push_back(others[i]);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return dropped;
}

absl::StatusOr<PresentedResume> SqliteResume::Find(TokenHash token) {
  PresentedResume out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_,
                "SELECT f.session, f.account, f.device_key, f.chat_port, f.started_ms, "
                "f.renewed_ms, f.generation, f.newest_used, t.generation "
                "FROM resume_tokens t JOIN resume_families f ON f.session = t.session "
                "WHERE t.hash = ?");
    query.Blob(token.view());
    if (!query.Next()) return absl::NotFoundError("no such resume token");
    out.family = FamilyOf(query);
    out.generation = static_cast<uint32_t>(query.GetInt(8));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

absl::StatusOr<std::vector<ResumeFamily>> SqliteResume::List() {
  std::vector<ResumeFamily> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_,
                "SELECT session, account, device_key, chat_port, started_ms, renewed_ms, "
                "generation, newest_used FROM resume_families ORDER BY session");
    while (query.Next()) out.push_back(FamilyOf(query));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

absl::Status SqliteResume::Use(TokenHash session, uint32_t generation) {
  return db_.Atomically([&]() -> absl::Status {
    Query(db_,
          "UPDATE resume_families SET newest_used = 1 "
          "WHERE session = ? AND generation = ? AND newest_used = 0")
        .Blob(session.view())
        .Int(generation)
        .Run();
    Query(db_, "DELETE FROM tokens WHERE session = ? AND generation < ?")
        .Blob(session.view())
        .Int(generation)
        .Run();
    return absl::OkStatus();
  });
}

absl::Status SqliteResume::DeleteSession(TokenHash session) {
  return db_.Atomically([&]() -> absl::Status {
    Remove(session);
    return absl::OkStatus();
  });
}

absl::Status SqliteResume::DeleteOtherSessions(UserId account, TokenHash kept) {
  return db_.Atomically([&]() -> absl::Status {
    Query(db_, "DELETE FROM tokens WHERE account = ? AND session <> ?")
        .Blob(account.view())
        .Blob(kept.view())
        .Run();
    Query(db_, "DELETE FROM resume_families WHERE account = ? AND session <> ?")
        .Blob(account.view())
        .Blob(kept.view())
        .Run();
    return absl::OkStatus();
  });
}

absl::Status SqliteResume::DropBefore(WallTime renewed_before, WallTime started_before) {
  return db_.Atomically([&]() -> absl::Status {
    Query(db_, "DELETE FROM resume_families WHERE renewed_ms <= ? OR started_ms <= ?")
        .Time(renewed_before)
        .Time(started_before)
        .Run();
    return absl::OkStatus();
  });
}

}  // namespace p2p::server
