// The steps of a log-in: find the account, verify the password, store a token, answer.
#pragma once

#include "common/net/address.h"
#include "control-server/service/account_context.h"
#include "grpcpp/grpcpp.h"
#include "p2p/v1/accounts.pb.h"

namespace p2p::server {

// `request` is valid already. Finishes `reactor` exactly once, later and on another thread, or
// before it returns when a queue is full. An unknown user takes the time and gets the answer of a
// wrong password. The token works from the moment it is durable.
void StartLogin(const AccountContext& context, const net::SocketAddress& peer,
                const v1::LoginRequest& request, v1::LoginResponse* response,
                grpc::ServerUnaryReactor* reactor);

}  // namespace p2p::server
