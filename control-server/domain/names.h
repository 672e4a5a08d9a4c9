// Rules for usernames and passwords: what sign-up, import and the admin interface accept, and what
// a text must look like to be looked up at all. Pure.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace p2p::server {

// [A-Za-z][A-Za-z0-9_.-]{2,31}. Reserved names have this shape too.
bool HasUsernameShape(absl::string_view name);

// Names that could be taken for the system or an address it uses, without regard to case.
bool IsReservedUsername(absl::string_view name);

// Usernames are unique without regard to ASCII case: this is the form that is compared and sorted
// by.
std::string FoldUsername(absl::string_view name);

// What a name looks like at a glance: folded, with 0 as o, 1 and i as l, and rn as m. Names with
// the same skeleton can be taken for each other. The migration of the store computes the same in
// SQL.
std::string NameSkeleton(absl::string_view name);

// InvalidArgument whose message starts with "username" unless `name` may be given to a new account.
absl::Status CheckNewUsername(absl::string_view name);

// InvalidArgument whose message starts with `field` unless the password is valid UTF-8 of 8 to 256
// code points. Never quotes the password.
absl::Status CheckNewPassword(absl::string_view password, absl::string_view field = "password");

}  // namespace p2p::server
