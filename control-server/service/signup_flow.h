// The steps of a sign-up: is the name free, hash, create, answer.
#pragma once

#include "common/net/address.h"
#include "control-server/service/account_context.h"
#include "grpcpp/grpcpp.h"
#include "p2p/v1/accounts.pb.h"

namespace p2p::server {

// `request` is valid already. Finishes `reactor` exactly once, later and on another thread, or
// before it returns when a queue is full. OK only when the account is durable.
void StartSignup(const AccountContext& context, const net::SocketAddress& peer,
                 const v1::SignupRequest& request, v1::SignupResponse* response,
                 grpc::ServerUnaryReactor* reactor);

}  // namespace p2p::server
