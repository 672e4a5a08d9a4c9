#include "control-server/running_server.h"

#include <sys/resource.h>

#include <future>
#include <memory>

namespace p2p::server {

void RunningServer::EndSessions(UserId user, const std::string& why) {
  sessions_.RemoveAll(user);
  hub_.EndSessionsOf(user, why);
}

std::vector<LiveServer::Attached> RunningServer::ListAttached() {
  auto answer = std::make_shared<std::promise<std::vector<Attached>>>();
  auto done = answer->get_future();
  hub_.ListAttached([answer](const std::vector<AttachedSession>& sessions) {
    std::vector<Attached> out;
    for (const AttachedSession& session : sessions) out.push_back({session.session, session.ip});
    answer->set_value(std::move(out));
  });
  return done.get();
}

void RunningServer::FlushDeliveries() {
  auto answer = std::make_shared<std::promise<void>>();
  auto done = answer->get_future();
  broadcasts_.Flush([answer] { answer->set_value(); });
  done.get();
}

void RunningServer::WithdrawBroadcast(BroadcastId id) {
  auto answer = std::make_shared<std::promise<void>>();
  auto done = answer->get_future();
  broadcasts_.Withdraw(id, [answer] { answer->set_value(); });
  done.get();
}

std::optional<LiveLimits> RunningServer::Limits() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  return LiveLimits{.max_connections = max_connections_,
                    .connections = static_cast<uint32_t>(connections_.figures().served),
                    .descriptor_limit = static_cast<uint32_t>(files.rlim_cur)};
}

}  // namespace p2p::server
