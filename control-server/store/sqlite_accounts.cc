#include "control-server/store/sqlite_accounts.h"

namespace p2p::server {
namespace {

#define P2P_ACCOUNT_COLUMNS "id, username, phc, created_ms, disabled, admin, skeleton"

Account ReadAccount(Query& row) {
  Account account;
  account.id = row.GetId<UserId>(0);
  account.username = row.GetText(1);
  account.phc = row.GetText(2);
  account.created_at = row.GetTime(3);
  account.disabled = row.GetBool(4);
  account.admin = row.GetBool(5);
  account.skeleton = row.GetText(6);
  return account;
}

absl::StatusOr<Account> One(Query& query) {
  if (!query.Next()) return absl::NotFoundError("no such account");
  return ReadAccount(query);
}

}  // namespace

absl::Status SqliteAccounts::Create(const Account& account) {
  return db_.Atomically([&]() -> absl::Status {
    Query insert(db_,
                 "INSERT INTO accounts (" P2P_ACCOUNT_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)");
    insert.Blob(account.id.view()).Text(account.username).Text(account.phc);
    insert.Time(account.created_at).Int(account.disabled).Int(account.admin);
    insert.Text(account.skeleton).Run();
    return absl::OkStatus();
  });
}

absl::StatusOr<Account> SqliteAccounts::Find(absl::string_view username) {
  absl::StatusOr<Account> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_, "SELECT " P2P_ACCOUNT_COLUMNS " FROM accounts WHERE username = ?");
    query.Text(username);
    out = One(query);
    return out.status();
  });
  if (!status.ok()) return status;
  return out;
}

absl::StatusOr<Account> SqliteAccounts::FindLookalike(absl::string_view skeleton) {
  absl::StatusOr<Account> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    // The second condition lets SQLite use the index.
    Query query(
        db_, "SELECT " P2P_ACCOUNT_COLUMNS " FROM accounts WHERE skeleton = ? AND skeleton <> ''");
    query.Text(skeleton);
    out = One(query);
    return out.status();
  });
  if (!status.ok()) return status;
  return out;
}

absl::StatusOr<Account> SqliteAccounts::Get(UserId id) {
  absl::StatusOr<Account> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_, "SELECT " P2P_ACCOUNT_COLUMNS " FROM accounts WHERE id = ?");
    query.Blob(id.view());
    out = One(query);
    return out.status();
  });
  if (!status.ok()) return status;
  return out;
}

absl::Status SqliteAccounts::Update(const Account& account) {
  return db_.Atomically([&]() -> absl::Status {
    Query update(db_,
                 "UPDATE accounts SET username = ?, phc = ?, created_ms = ?, disabled = ?, "
                 "admin = ?, skeleton = ? WHERE id = ?");
    update.Text(account.username).Text(account.phc).Time(account.created_at);
    update.Int(account.disabled).Int(account.admin).Text(account.skeleton);
    update.Blob(account.id.view()).Run();
    return update.Changes() == 0 ? absl::NotFoundError("no such account") : absl::OkStatus();
  });
}

absl::Status SqliteAccounts::Delete(UserId id) {
  return db_.Atomically([&]() -> absl::Status {
    Query remove(db_, "DELETE FROM accounts WHERE id = ?");  // What belongs to it cascades.
    remove.Blob(id.view()).Run();
    return remove.Changes() == 0 ? absl::NotFoundError("no such account") : absl::OkStatus();
  });
}

absl::StatusOr<std::vector<Account>> SqliteAccounts::List() {
  std::vector<Account> out;
  const absl::Status status = db_.Reading([&]() -> absl::Status {
    Query query(db_, "SELECT " P2P_ACCOUNT_COLUMNS " FROM accounts ORDER BY username");
    while (query.Next()) out.push_back(ReadAccount(query));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return out;
}

}  // namespace p2p::server
