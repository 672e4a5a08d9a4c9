// Names that can be taken for each other, for those who may create them all the same.
#pragma once

#include "control-server/store/store.h"

namespace p2p::server {

// Creates the account; it claims its skeleton when nobody has, and no skeleton otherwise. Errors as
// CreateAccount.
absl::Status CreateAccountAnyway(Store& store, Account account);

}  // namespace p2p::server
