// What log-in and renewal have in common: a fresh session token and the answer that carries it.
#pragma once

#include "common/base/secret.h"
#include "control-server/service/account_context.h"
#include "control-server/service/hub_view.h"
#include "grpcpp/grpcpp.h"
#include "p2p/v1/accounts.pb.h"

namespace p2p::server {

// The two tokens of one generation, as only the client will know them.
struct TokenPair {
  explicit TokenPair(Random& random) : access(random.Array<32>()), resume(random.Array<32>()) {}
  Secret<32> access;
  Secret<32> resume;
};

// `token` is stored: it works from here on.
void AdmitCaller(const AccountContext& context, const Account& account, const TokenRecord& token);

// Ends sessions that made place for another one.
void EndDropped(const AccountContext& context, const std::vector<TokenHash>& sessions);

// With server keys and resume token when the token belongs to a device.
void FillSession(const ServerProfile& profile, const Account& account, const TokenRecord& token,
                 const TokenPair& pair, v1::LoginResponse& response);

// PERMISSION_DENIED with ErrorInfo.
grpc::Status InCooldown(const Cooldown& cooldown, WallTime now);
grpc::Status Disabled();

}  // namespace p2p::server
