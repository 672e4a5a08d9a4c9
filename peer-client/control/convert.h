// Generated messages and gRPC statuses to the app's structs, and back: protobuf stops here.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <optional>

#include "p2p/v1/accounts.pb.h"
#include "p2p/v1/broadcast.pb.h"
#include "p2p/v1/peering.pb.h"
#include "peer-client/app/control_port.h"

namespace p2p::client {

// `answered` tells a server's refusal from a broken or absent connection.
CallError ToCallError(const grpc::Status& status, bool answered);

// True when the status came over the wire, and was not made up by the library for want of one.
bool AnsweredByPeer(const grpc::ClientContext& context, const grpc::Status& status);

// The library's words for a broken connection in words for people.
std::string DescribeTransport(const grpc::Status& status);

std::vector<Choice> ToChoices(const google::protobuf::RepeatedField<int>& choices);
Session ToSession(const v1::LoginResponse& response);
RequestStatusInfo ToRequestStatus(const v1::GetRequestResponse& response);
out::BroadcastStatus ToBroadcastStatus(const v1::GetBroadcastResponse& response);
out::Penalties ToPenalties(const v1::ListMyPenaltiesResponse& response);
InboundInfo ToInboundInfo(const v1::CheckInboundResponse& response);
WallTime ToWall(const google::protobuf::Timestamp& timestamp);

// nullopt for events this client does not know or need; they are ignored.
std::optional<ChannelEvent> ToChannelEvent(const v1::ServerEvent& event);

void FillCandidates(const PeerOffer& offer, google::protobuf::RepeatedPtrField<v1::Endpoint>* out);

}  // namespace p2p::client
