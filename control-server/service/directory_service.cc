#include "control-server/service/directory_service.h"

#include <algorithm>

#include "common/wire/limits.h"
#include "control-server/domain/account_requests.h"
#include "control-server/domain/names.h"
#include "control-server/service/errors.h"

namespace p2p::server {
namespace {

// The first user after `page_token`, which is the folded name of the last one already given.
auto FirstAfter(const std::vector<ActiveUser>& users, const std::string& page_token) {
  if (page_token.empty()) return users.begin();
  return std::upper_bound(users.begin(), users.end(), page_token,
                          [](const std::string& token, const ActiveUser& user) {
                            return token < FoldUsername(user.username);
                          });
}

}  // namespace

grpc::ServerUnaryReactor* DirectoryService::ListActive(grpc::CallbackServerContext* call,
                                                       const v1::ListActiveRequest* request,
                                                       v1::ListActiveResponse* response) {
  const auto caller = authenticator_.Check(*call);
  if (!caller.ok()) return FinishNow(call, ToGrpc(caller.status()));
  const absl::Status valid = CheckListActive(request->page_size(), request->page_token());
  if (!valid.ok()) return FinishNow(call, ToGrpc(valid));

  const Viewpoint viewer = authenticator_.ViewpointOf(*call);
  const auto snapshot = presence_.Snapshot();
  const size_t limit = request->page_size() == 0 ? wire::kDefaultPageSize : request->page_size();
  auto user = FirstAfter(snapshot->users, FoldUsername(request->page_token()));
  const auto left = static_cast<size_t>(snapshot->users.end() - user);
  const auto end = user + static_cast<std::ptrdiff_t>(std::min(limit, left));
  for (; user != end; ++user) {
    auto* client = response->add_clients();
    client->set_username(user->username);
    client->set_ip_address(AddressFor(viewer, user->seen).ToString());
  }
  if (left > limit) response->set_next_page_token(FoldUsername((end - 1)->username));
  return FinishNow(call, grpc::Status::OK);
}

}  // namespace p2p::server
