#include "control-server/service/hub.h"

#include <algorithm>
#include <future>
#include <utility>

#include "asio/post.hpp"
#include "common/base/check.h"

namespace p2p::server {
namespace {

struct Remembered {
  std::vector<AddressRecord> addresses;
  std::vector<IntroductionRecord> introductions;
  std::vector<PenaltyRecord> penalties;
};

absl::StatusOr<Remembered> ReadRemembered(Store& store, WallTime addresses_since) {
  Remembered remembered;
  P2P_ASSIGN_OR_RETURN(remembered.addresses, store.ListAddresses(addresses_since));
  P2P_ASSIGN_OR_RETURN(remembered.introductions, store.ListIntroductions());
  P2P_ASSIGN_OR_RETURN(remembered.penalties, store.ListPenalties());
  return remembered;
}

grpc::Status Unattached(const char* text) {
  return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, text);
}

}  // namespace

Hub::Hub(Parts parts)
    : io_(parts.io),
      timing_(parts.timing),
      clock_(parts.clock),
      sessions_(parts.sessions),
      store_(parts.store),
      connections_(parts.connections),
      board_(parts.timing, parts.clock, parts.store),
      introductions_(parts.io, parts.introducer, parts.store, parts.timing, parts.clock),
      requests_(parts.timing, parts.clock, parts.random, clients_, introductions_),
      penalties_(parts.timing, parts.clock, parts.sessions, parts.store),
      attachments_(parts.timing, parts.clock, parts.random, parts.relay,
                   std::move(parts.find_relay), clients_, board_, requests_),
      flow_(parts.io, parts.timing, parts.clock, parts.sessions, parts.store, clients_, board_,
            requests_, penalties_, attachments_),
      timer_(parts.io),
      swept_at_(parts.clock.Mono()),
      look_every_(std::min(timing_.slow_reader, timing_.hello) / 4),
      looked_at_(swept_at_),
      forgot_at_(swept_at_) {
  Post([] {});  // Arms the timer as soon as the loop runs.
}

absl::Status Hub::Load() {
  const WallTime since =
      clock_.Wall() - std::chrono::ceil<std::chrono::milliseconds>(timing_.address_memory);
  std::promise<absl::StatusOr<Remembered>> answer;
  store_.Read([since](Store& s) { return ReadRemembered(s, since); },
              [&answer](absl::StatusOr<Remembered> r) { answer.set_value(std::move(r)); });
  P2P_ASSIGN_OR_RETURN(const Remembered remembered, answer.get_future().get());
  board_.Load(remembered.addresses);
  penalties_.Load(remembered.penalties);
  introductions_.Load(remembered.introductions);
  for (const IntroductionRecord& record : remembered.introductions) {
    if (introductions_.Find(record.id) == nullptr) continue;
    auto parties = PartiesOf(record);
    if (!parties) return absl::DataLossError("store: an introduction cannot be read");
    requests_.Restore(record, *std::move(parties));
  }
  return absl::OkStatus();
}

std::optional<Cooldown> Hub::CooldownOf(UserId user) const {
  const auto penalty = penalties_.CooldownOf(user);
  if (!penalty) return std::nullopt;
  return Cooldown{.reason = penalty->reason,
                  .start = penalty->start,
                  .end = penalty->end,
                  .next_step = penalty->next_step};
}

void Hub::EndSession(TokenHash token) {
  Post([this, token] { DoEndSession(token, false); });
}

void Hub::RevokeSession(TokenHash session) {
  Post([this, session] { DoEndSession(session, true); });
}

void Hub::EndSessionsOf(UserId user, std::string why) {
  Post([this, user, why = std::move(why)] { DoEndSessionsOf(user, why); });
}

void Hub::ListAttached(absl::AnyInvocable<void(std::vector<AttachedSession>)> done) {
  Post([this, done = std::move(done)]() mutable {
    std::vector<AttachedSession> out;
    clients_.ForEach([&out](const UserId&, const AttachedClient& client) {
      out.push_back({client.channel->caller->session(), client.channel->peer.ip});
    });
    done(std::move(out));
  });
}

void Hub::RequestPeer(RequestPeerOrder order, RequestPeerDone done) {
  Post([this, order = std::move(order), done = std::move(done)]() mutable {
    flow_.Ask(std::move(order), [this, done = std::move(done)](const RequestPeerReply& r) mutable {
      if (r.close_connection) counters_.Add(HubCount::kPenalties);
      done(r);
    });
  });
}

void Hub::GetRequest(RequestId id, UserId caller,
                     absl::AnyInvocable<void(const PeerRequest*)> done) {
  Post([this, id, caller, done = std::move(done)]() mutable {
    requests_.Tick();
    done(requests_.FindFor(id, caller));
  });
}

void Hub::FindChatAddress(CallerPtr caller,
                          absl::AnyInvocable<void(std::optional<net::SocketAddress>)> done) {
  Post([this, caller = std::move(caller), done = std::move(done)]() mutable {
    const AttachedClient* const client = clients_.Find(caller->user);
    if (client == nullptr || client->channel->caller->session() != caller->session()) {
      return done(std::nullopt);
    }
    done(net::SocketAddress{client->channel->peer.ip, client->chat_port});
  });
}

void Hub::OnChannelOpened(ChannelPtr channel) {
  Post([this, channel = std::move(channel)] {
    counters_.Add(HubCount::kChannels);
    channel->opened = clock_.Mono();
    channels_.insert(channel);
    if (shutting_down_) channel->outbox->End(nullptr, grpc::Status::OK);
  });
}

void Hub::OnChannelEvent(ChannelPtr channel, std::unique_ptr<v1::ClientEvent> event) {
  Post([this, channel = std::move(channel), event = std::move(event)] {
    Dispatch(channel, *event);
    channel->outbox->Read();
  });
}

void Hub::OnChannelClosed(ChannelPtr channel, Presence::End end) {
  Post([this, channel = std::move(channel), end] {
    if (channel->outbox->overflowed()) counters_.Add(HubCount::kOverflows);
    channels_.erase(channel);
    attachments_.OnClosed(channel, end);
  });
}

void Hub::OnRelayRestarted() {
  Post([this] { attachments_.OnRelayRestarted(); });
}

void Hub::Shutdown() {
  Post([this] {
    shutting_down_ = true;
    const EventPtr last = DetachedEvent(v1::Detached::SHUTTING_DOWN, "the server is shutting down");
    for (const ChannelPtr& channel : channels_) channel->outbox->End(last, grpc::Status::OK);
  });
}

template <class F>
void Hub::Post(F work) {
  asio::post(io_, [this, work = std::move(work)]() mutable {
    work();
    Arm();
  });
}

void Hub::Dispatch(const ChannelPtr& channel, const v1::ClientEvent& event) {
  if (!channel->attach_seen) return FirstEvent(channel, event);
  if (event.has_attach()) {
    return channel->outbox->End(nullptr, Unattached("Attach came twice"));
  }
  // Expelled or replaced, its end is on the way: what it still says does not count.
  if (channel->conn) DispatchAttached(channel, event);
}

void Hub::FirstEvent(const ChannelPtr& channel, const v1::ClientEvent& event) {
  channel->attach_seen = true;
  if (!event.has_attach()) {
    return channel->outbox->End(nullptr, Unattached("the first event must be Attach"));
  }
  if (shutting_down_) return;
  if (!sessions_.Lives(channel->caller->session())) {
    return channel->outbox->End(
        nullptr, grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "the session has ended"));
  }
  if (const auto cooldown = penalties_.CooldownOf(channel->caller->user)) {
    return channel->outbox->End(PenaltyEvent(*cooldown), PenaltyStatus(*cooldown));
  }
  attachments_.Attach(channel, event.attach());
  if (!channel->conn) return;
  counters_.Add(HubCount::kAttached);
  connections_.ExpectEvery(channel->peer, event.attach().keepalive_ms());
}

void Hub::DispatchAttached(const ChannelPtr& channel, const v1::ClientEvent& event) {
  const AttachedClient* client = clients_.Find(channel->caller->user);
  P2P_CHECK(client != nullptr && client->channel == channel);
  switch (event.event_case()) {
    case v1::ClientEvent::kApprove:
      return requests_.Approve(*client, event.approve());
    case v1::ClientEvent::kDeny:
      return requests_.Deny(*client, event.deny());
    case v1::ClientEvent::kCancel:
      return requests_.Cancel(*client, event.cancel());
    case v1::ClientEvent::kBroadcastAck:
      if (const auto id = BroadcastId::FromHex(event.broadcast_ack().broadcast_id())) {
        return attachments_.OnBroadcastAck(channel, *id, ShownVia(event.broadcast_ack()));
      }
      break;
    case v1::ClientEvent::kIntroductionAck:
      if (const auto id = RequestId::FromHex(event.introduction_ack().request_id())) {
        return introductions_.Ack(*id, channel->caller->user);
      }
      break;
    case v1::ClientEvent::kAttach:
    case v1::ClientEvent::EVENT_NOT_SET:  // Of a version after ours.
      break;
  }
  counters_.Add(HubCount::kIgnoredEvents);
}

void Hub::DoEndSession(TokenHash token, bool revoked) {
  if (sessions_.Lives(token)) return;  // Only one of its tokens ended.
  const auto user = board_.UserOf(token);
  if (!user) return;
  const auto reason = revoked ? v1::Detached::SESSION_ENDED : v1::Detached::LOGGED_OUT;
  const char* text = revoked ? "the session has ended" : "logged out";
  attachments_.Expel(*user, DetachedEvent(reason, text),
                     grpc::Status(grpc::StatusCode::UNAUTHENTICATED, text), false);
}

void Hub::DoEndSessionsOf(UserId user, const std::string& why) {
  const auto dead = [this](const ChannelPtr& channel) {
    return !sessions_.Lives(channel->caller->session());
  };
  const grpc::Status status(grpc::StatusCode::UNAUTHENTICATED, why);
  const EventPtr last = DetachedEvent(v1::Detached::SESSION_ENDED, why);
  // Who logged in again since then keeps the new session; who was in grace does not come back.
  const AttachedClient* client = clients_.Find(user);
  if (client == nullptr || dead(client->channel)) attachments_.Expel(user, last, status, false);
  for (const ChannelPtr& channel : channels_) {
    if (channel->caller->user == user && dead(channel)) channel->outbox->End(last, status);
  }
}

void Hub::Arm() {
  MonoTime next =
      std::min(swept_at_ + kSweepEvery, board_.NextDeadline().value_or(MonoTime::max()));
  next = std::min(next, requests_.NextDeadline().value_or(MonoTime::max()));
  if (armed_for_ && *armed_for_ <= next) return;
  armed_for_ = next;
  timer_.expires_after(std::max<Duration>(next - clock_.Mono(), Duration::zero()));
  timer_.async_wait([this](const asio::error_code& error) {
    if (!error) OnTimer();
  });
}

void Hub::OnTimer() {
  armed_for_.reset();
  const MonoTime now = clock_.Mono();
  attachments_.ExpireGrace();
  requests_.Tick();
  board_.Tick();
  SendPresence();
  if (now - swept_at_ >= kSweepEvery) Sweep(now);
  Arm();
}

void Hub::Sweep(MonoTime now) {
  swept_at_ = now;
  const uint64_t removed = sessions_.removed();
  const bool some_ended = std::exchange(removed_seen_, removed) != removed;
  if (some_ended || now - looked_at_ >= look_every_) EndAllDue(some_ended, now);
  if (now - forgot_at_ < kForgetEvery) return;
  forgot_at_ = now;
  introductions_.Forget();
  penalties_.Forget();
}

void Hub::EndAllDue(bool some_ended, MonoTime now) {
  looked_at_ = now;
  std::vector<ChannelPtr> due;  // Few of many: ending one may change the set.
  for (const ChannelPtr& channel : channels_) {
    if (IsDue(*channel, some_ended, now)) due.push_back(channel);
  }
  for (const ChannelPtr& channel : due) EndDue(channel, now);
}

bool Hub::IsStuck(const ClientChannel& channel, MonoTime now) const {
  const auto since = channel.outbox->WritingSince();
  return since && now - *since >= timing_.slow_reader;
}

bool Hub::IsLate(const ClientChannel& channel, MonoTime now) const {
  return !channel.attach_seen && now - channel.opened >= timing_.hello;
}

bool Hub::IsDue(const ClientChannel& channel, bool some_ended, MonoTime now) const {
  if (IsStuck(channel, now) || IsLate(channel, now)) return true;
  const bool perhaps = some_ended || channel.caller->token.expires_at <= clock_.Wall();
  return perhaps && !sessions_.Lives(channel.caller->session());
}

void Hub::EndDue(const ChannelPtr& channel, MonoTime now) {
  if (IsStuck(*channel, now)) {
    counters_.Add(HubCount::kStuckReaders);
    // Nothing can be told to somebody who does not read; the end of the connection ends the call.
    connections_.Close(channel->peer, Duration::zero());
    return;
  }
  if (IsLate(*channel, now)) {
    channel->attach_seen = true;
    return channel->outbox->End(nullptr, Unattached("Attach did not come in time"));
  }
  const grpc::Status status(grpc::StatusCode::UNAUTHENTICATED, "the session has ended");
  const EventPtr last = DetachedEvent(v1::Detached::SESSION_ENDED, "the session has ended");
  if (channel->conn) {
    attachments_.Expel(channel->caller->user, last, status, false);
  } else {
    channel->outbox->End(last, status);
  }
}

void Hub::SendPresence() {
  const auto batch = board_.TakeBatch();
  if (!batch) return;
  const EventPtr event = PresenceEvent(*batch);
  clients_.ForEach([&](const UserId&, const AttachedClient& client) {
    if (client.watches_presence) client.channel->outbox->Push(event);
  });
}

}  // namespace p2p::server
