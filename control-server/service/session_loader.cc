#include "control-server/service/session_loader.h"

#include "absl/container/flat_hash_map.h"
#include "common/base/check.h"

namespace p2p::server {

absl::StatusOr<std::vector<CallerPtr>> LoadSessions(Store& store, WallTime now) {
  std::vector<CallerPtr> out;
  P2P_ASSIGN_OR_RETURN(const auto tokens, store.ListTokens(now));
  if (tokens.empty()) return out;
  P2P_ASSIGN_OR_RETURN(const auto accounts, store.ListAccounts());
  absl::flat_hash_map<UserId, const Account*> by_id;
  for (const Account& account : accounts) by_id[account.id] = &account;
  for (const TokenRecord& token : tokens) {
    const auto account = by_id.find(token.account);
    if (account == by_id.end() || account->second->disabled) continue;
    auto caller = std::make_shared<Caller>();
    caller->token = token;
    caller->user = token.account;
    caller->username = account->second->username;
    caller->admin = account->second->admin;
    caller->unused = token.generation > 0;
    out.push_back(std::move(caller));
  }
  return out;
}

}  // namespace p2p::server
