// The steps of a renewal: find the token, verify the device's signature, decide and store in one
// transaction, answer. No password, and no password hash.
#pragma once

#include "common/net/address.h"
#include "control-server/service/account_context.h"
#include "grpcpp/grpcpp.h"
#include "p2p/v1/accounts.pb.h"

namespace p2p::server {

// `request` has fields of the right size. Finishes `reactor` exactly once, later and on the store's
// thread, or before it returns when the queue is full. Whatever is wrong with token or signature
// gets one answer. The signature (0.1 ms) is verified on the store's thread: only who holds a token
// that exists gets that far.
void StartResume(const AccountContext& context, const net::SocketAddress& peer,
                 const v1::ResumeRequest& request, v1::ResumeResponse* response,
                 grpc::ServerUnaryReactor* reactor);

}  // namespace p2p::server
