#include "control-server/admin/user_admin.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/crypto/password.h"
#include "control-server/admin/session_admin.h"
#include "control-server/domain/names.h"
#include "control-server/store/lookalikes.h"

namespace p2p::server {

namespace {

// Stores what changed about the account; its tokens die when `end_sessions`.
absl::Status Update(Store& store, const Account& account, bool end_sessions) {
  P2P_RETURN_IF_ERROR(store.UpdateAccount(account));
  return end_sessions ? store.DeleteTokensOf(account.id).status() : absl::OkStatus();
}

}  // namespace

absl::StatusOr<Account> FindNamed(Store& store, const std::string& username) {
  if (username.empty()) return absl::InvalidArgumentError("username is required");
  auto account = store.FindAccount(username);
  if (absl::IsNotFound(account.status())) {
    return absl::NotFoundError(absl::StrCat("there is no user ", username));
  }
  return account;
}

absl::StatusOr<Account> UserAdmin::Add(const std::string& username, absl::string_view password,
                                       bool admin) {
  P2P_RETURN_IF_ERROR(CheckNewUsername(username));
  P2P_RETURN_IF_ERROR(CheckNewPassword(password));
  Account account;
  account.id = random_.NewId<UserId>();
  account.username = username;
  account.phc = crypto::HashPassword(password, random_);
  account.created_at = clock_.Wall();
  account.admin = admin;
  const absl::Status created =
      store_.Change([&](Store& store) { return CreateAccountAnyway(store, account); });
  if (absl::IsAlreadyExists(created)) {
    return absl::AlreadyExistsError(absl::StrCat("username ", username, " is taken"));
  }
  P2P_RETURN_IF_ERROR(created);
  return account;
}

absl::StatusOr<std::vector<Account>> UserAdmin::List() {
  std::vector<Account> out;
  P2P_RETURN_IF_ERROR(store_.Read([&](Store& store) -> absl::Status {
    P2P_ASSIGN_OR_RETURN(out, store.ListAccounts());
    return absl::OkStatus();
  }));
  return out;
}

absl::StatusOr<Account> UserAdmin::SetPassword(const std::string& username,
                                               absl::string_view password) {
  P2P_RETURN_IF_ERROR(CheckNewPassword(password));
  const std::string phc = crypto::HashPassword(password, random_);
  Account account;
  P2P_RETURN_IF_ERROR(store_.Change(
      [&](Store& store) -> absl::Status {
        P2P_ASSIGN_OR_RETURN(account, FindNamed(store, username));
        account.phc = phc;
        return Update(store, account, true);
      },
      [&] { live_.EndSessions(account.id, "the operator set another password; log in with it"); }));
  return account;
}

absl::StatusOr<Account> UserAdmin::SetDisabled(const std::string& username, bool disabled) {
  Account account;
  P2P_RETURN_IF_ERROR(store_.Change(
      [&](Store& store) -> absl::Status {
        P2P_ASSIGN_OR_RETURN(account, FindNamed(store, username));
        account.disabled = disabled;
        return Update(store, account, disabled);
      },
      [&] {
        if (disabled) live_.EndSessions(account.id, "the operator disabled this account");
      }));
  return account;
}

absl::StatusOr<Account> UserAdmin::Delete(const std::string& username) {
  Account account;
  P2P_RETURN_IF_ERROR(store_.Change(
      [&](Store& store) -> absl::Status {
        P2P_ASSIGN_OR_RETURN(account, FindNamed(store, username));
        return store.DeleteAccount(account.id);
      },
      [&] {
        live_.EndSessions(account.id, "the operator deleted this account");
        live_.LiftPenalty(account.id);
      }));
  return account;
}

absl::StatusOr<size_t> UserAdmin::Kick(const std::string& username) {
  Account account;
  size_t ended = 0;
  P2P_RETURN_IF_ERROR(store_.Change(
      [&](Store& store) -> absl::Status {
        P2P_ASSIGN_OR_RETURN(account, FindNamed(store, username));
        P2P_ASSIGN_OR_RETURN(const auto sessions, LiveSessions(store, clock_.Wall()));
        ended = static_cast<size_t>(std::count_if(
            sessions.begin(), sessions.end(),
            [&](const auto& session) { return session.second.account == account.id; }));
        return store.DeleteTokensOf(account.id).status();
      },
      [&] { live_.EndSessions(account.id, "the operator ended this session; log in again"); }));
  return ended;
}

absl::StatusOr<ImportCounts> UserAdmin::Import(absl::string_view csv,
                                               absl::FunctionRef<bool()> cancelled) {
  return ImportUsers(store_, csv, random_, clock_.Wall(), cancelled);
}

absl::StatusOr<std::string> UserAdmin::Export() { return ExportUsers(store_); }

}  // namespace p2p::server
