// What an operator does with accounts, on a running or a stopped server alike. Every method blocks:
// for the disk, and 16 ms for each password. Thread-safe.
//
// Errors are made for the operator: NotFound and AlreadyExists name the account, InvalidArgument
// the field or the line. What the store says otherwise is passed on.
#pragma once

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "control-server/admin/live_server.h"
#include "control-server/admin/store_access.h"
#include "control-server/admin/user_csv.h"

namespace p2p::server {

class UserAdmin {
 public:
  // All outlive it; `random` is thread-safe.
  UserAdmin(StoreAccess& store, LiveServer& live, const Clock& clock, Random& random)
      : store_(store), live_(live), clock_(clock), random_(random) {}

  // The operator may create names that look like others.
  absl::StatusOr<Account> Add(const std::string& username, absl::string_view password, bool admin);
  absl::StatusOr<std::vector<Account>> List();
  // These three end the account's sessions, durably and at once.
  absl::StatusOr<Account> SetPassword(const std::string& username, absl::string_view password);
  absl::StatusOr<Account> SetDisabled(const std::string& username, bool disabled);
  absl::StatusOr<Account> Delete(const std::string& username);
  // Ends the sessions of an account, which may log in again. Returns how many there were.
  absl::StatusOr<size_t> Kick(const std::string& username);

  absl::StatusOr<ImportCounts> Import(absl::string_view csv, absl::FunctionRef<bool()> cancelled);
  absl::StatusOr<std::string> Export();

 private:
  StoreAccess& store_;
  LiveServer& live_;
  const Clock& clock_;
  Random& random_;
};

// Finds an account for the operator: NotFound names it.
absl::StatusOr<Account> FindNamed(Store& store, const std::string& username);

}  // namespace p2p::server
