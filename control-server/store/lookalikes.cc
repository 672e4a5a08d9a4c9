#include "control-server/store/lookalikes.h"

#include "control-server/domain/names.h"

namespace p2p::server {

absl::Status CreateAccountAnyway(Store& store, Account account) {
  account.skeleton = NameSkeleton(account.username);
  const auto claimant = store.FindLookalike(account.skeleton);
  if (claimant.ok()) account.skeleton.clear();
  if (!claimant.ok() && !absl::IsNotFound(claimant.status())) return claimant.status();
  return store.CreateAccount(account);
}

}  // namespace p2p::server
