#include "control-server/admission/connection_table.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/net/source.h"

namespace p2p::server {

std::optional<Place> ConnectionTable::FreePlace() const {
  if (served_ < limits_.served) return Place::kServed;
  if (full_ < limits_.full) return Place::kFull;
  return std::nullopt;
}

bool ConnectionTable::SourceIsFull(const net::IpAddress& address) const {
  const auto it = by_source_.find(net::SourceOf(address));
  return it != by_source_.end() && it->second >= limits_.unauthenticated;
}

std::optional<Place> ConnectionTable::FreePlaceFor(const net::IpAddress& address) const {
  return SourceIsFull(address) ? std::nullopt : FreePlace();
}

void ConnectionTable::Add(SocketName name, const net::SocketAddress& peer,
                          const net::SocketAddress& local, Place place, MonoTime now) {
  if (const auto old = by_fd_.find(name.fd); old != by_fd_.end()) Remove(old->second);
  const auto [it, inserted] = by_cookie_.try_emplace(name.cookie);
  P2P_CHECK(inserted);  // The kernel never reuses a cookie.
  Connection& added = it->second;
  added.name = name;
  added.peer = peer;
  added.local = local;
  added.place = place;
  by_fd_[name.fd] = name.cookie;
  by_peer_[peer] = name.cookie;
  ++Taken(place);
  SetDue(added, now + deadlines_.hello);
  added.accepted = added.measured_at = now;
  ++by_source_[net::SourceOf(peer.ip)];
  unproven_.insert(name.cookie);
  if (place == Place::kServed) silent_.insert({now, name.cookie});
  NoteCrowd(now);
}

void ConnectionTable::NoteCrowd(MonoTime now) {
  if (unauthenticated() < limits_.unauthenticated) return;
  const bool is_news = now >= crowded_until_;
  crowded_until_ = now + deadlines_.hello;
  if (!is_news) return;
  for (const uint64_t cookie : greeted_) {
    Connection& connection = by_cookie_.at(cookie);
    SetDue(connection, std::min(*connection.due, TimeToLogIn(now)));
  }
}

MonoTime ConnectionTable::TimeToLogIn(MonoTime now) const {
  return now + (now < crowded_until_ ? std::min(deadlines_.hello, deadlines_.authentication)
                                     : deadlines_.authentication);
}

void ConnectionTable::Remove(uint64_t cookie) {
  const auto it = by_cookie_.find(cookie);
  if (it == by_cookie_.end()) return;
  Connection& gone = it->second;
  SetDue(gone, std::nullopt);
  SetAsk(gone, std::nullopt);
  LeaveUnauthenticated(gone);
  if (unproven_.erase(cookie) > 0) ForgetSource(gone);
  proven_.erase(cookie);
  busy_.erase(cookie);
  if (const auto fd = by_fd_.find(gone.name.fd); fd != by_fd_.end() && fd->second == cookie) {
    by_fd_.erase(fd);
  }
  if (const auto peer = by_peer_.find(gone.peer);
      peer != by_peer_.end() && peer->second == cookie) {
    by_peer_.erase(peer);
  }
  --Taken(gone.place);
  if (gone.progress == Progress::kAuthenticated) --authenticated_;
  by_cookie_.erase(it);
}

bool ConnectionTable::MarkHello(const net::SocketAddress& peer, MonoTime now) {
  Connection* connection = ByPeer(peer);
  if (connection == nullptr) return false;
  // Only the first one counts, and a connection without a place has nothing to wait for.
  if (connection->progress != Progress::kSilent || connection->place == Place::kFull) return true;
  LeaveUnauthenticated(*connection);
  connection->progress = Progress::kHello;
  if (!connection->closing) {
    SetDue(*connection, TimeToLogIn(now));
    EnterGreeted(*connection);
  }
  if (connection->pauses > 0) connection->paused_at = now;
  return true;
}

bool ConnectionTable::MarkAuthenticated(const net::SocketAddress& peer) {
  Connection* connection = ByPeer(peer);
  if (connection == nullptr) return false;
  if (connection->progress == Progress::kAuthenticated || connection->place == Place::kFull) {
    return true;
  }
  LeaveUnauthenticated(*connection);
  connection->progress = Progress::kAuthenticated;
  ++authenticated_;
  unproven_.erase(connection->name.cookie);
  ForgetSource(*connection);
  connection->allowance = static_cast<int64_t>(limits_.bytes.burst);
  if (connection->place == Place::kServed) proven_.insert(connection->name.cookie);
  if (!connection->closing) SetDue(*connection, std::nullopt);
  return true;
}

bool ConnectionTable::MarkRelay(const net::SocketAddress& peer) {
  Connection* connection = ByPeer(peer);
  if (connection == nullptr) return false;
  LeaveUnauthenticated(*connection);
  proven_.erase(connection->name.cookie);
  busy_.erase(connection->name.cookie);
  --Taken(connection->place);
  connection->place = Place::kRelay;
  ++Taken(connection->place);
  return MarkAuthenticated(peer);
}

bool ConnectionTable::Pause(const net::SocketAddress& peer, MonoTime now) {
  Connection* connection = ByPeer(peer);
  if (connection == nullptr) return false;
  if (connection->pauses++ == 0) connection->paused_at = now;
  return true;
}

bool ConnectionTable::Resume(const net::SocketAddress& peer, MonoTime now) {
  Connection* connection = ByPeer(peer);
  if (connection == nullptr || connection->pauses == 0) return false;
  if (--connection->pauses == 0 && connection->due && !connection->closing) {
    SetDue(*connection, *connection->due + (now - connection->paused_at));
  }
  return true;
}

bool ConnectionTable::CloseAt(const net::SocketAddress& peer, MonoTime when) {
  Connection* connection = ByPeer(peer);
  if (connection == nullptr) return false;
  SetClosing(*connection);
  SetDue(*connection, connection->due ? std::min(*connection->due, when) : when);
  return true;
}

bool ConnectionTable::ExpectWithin(const net::SocketAddress& peer, Duration silence, MonoTime now) {
  Connection* connection = ByPeer(peer);
  if (connection == nullptr || connection->closing) return false;
  connection->silence = silence;
  SetAsk(*connection, now + silence);
  return true;
}

std::vector<SocketName> ConnectionTable::TakeQuiet(MonoTime now) {
  std::vector<SocketName> out;
  while (!quiet_.empty() && quiet_.begin()->first <= now) {
    Connection& connection = by_cookie_.at(quiet_.begin()->second);
    SetAsk(connection, std::nullopt);
    out.push_back(connection.name);
  }
  return out;
}

bool ConnectionTable::Heard(uint64_t cookie, Duration silent_for, MonoTime now) {
  const auto it = by_cookie_.find(cookie);
  if (it == by_cookie_.end() || it->second.closing || it->second.ask) return false;
  Connection& connection = it->second;
  if (silent_for >= connection.silence) {
    Drop(connection);
    return true;
  }
  SetAsk(connection, now + (connection.silence - silent_for));
  return false;
}

std::optional<Place> ConnectionTable::PlaceOf(const net::SocketAddress& peer) const {
  const Connection* connection = ByPeer(peer);
  if (connection == nullptr) return std::nullopt;
  return connection->place;
}

std::optional<net::SocketAddress> ConnectionTable::LocalOf(const net::SocketAddress& peer) const {
  const Connection* connection = ByPeer(peer);
  if (connection == nullptr) return std::nullopt;
  return connection->local;
}

std::vector<SocketName> ConnectionTable::TakeDue(MonoTime now) {
  std::vector<SocketName> out;
  while (!due_.empty() && due_.begin()->first <= now) {
    Connection& connection = by_cookie_.at(due_.begin()->second);
    if (connection.pauses > 0 && !connection.closing) {
      // Waiting for us: Resume adds what it waited; look again when the wait so far is used up.
      SetDue(connection, *connection.due + (now - connection.paused_at) + 1ms);
      connection.paused_at = now;
      continue;
    }
    out.push_back(Drop(connection));
  }
  return out;
}

std::optional<SocketName> ConnectionTable::TakeExcess(MonoTime now, Random& random) {
  if (unauthenticated() <= limits_.unauthenticated) return std::nullopt;
  const auto may_go = [&](const Connection& connection) {
    return connection.pauses == 0 && now - connection.accepted >= deadlines_.young;
  };
  for (const auto& [accepted, cookie] : silent_) {
    Connection& connection = by_cookie_.at(cookie);
    if (now - accepted < deadlines_.young) break;
    if (may_go(connection)) return Drop(connection);
  }
  // A few throws of the dice: when they hit none, the next call throws again.
  constexpr int kThrows = 8;
  for (int i = 0; i < kThrows && !greeted_.empty(); ++i) {
    Connection& connection = by_cookie_.at(greeted_[random.Below(greeted_.size())]);
    if (may_go(connection)) return Drop(connection);
  }
  return std::nullopt;
}

std::vector<SocketName> ConnectionTable::ToMeasure(size_t slice) {
  std::vector<SocketName> out;
  const auto add = [&](uint64_t cookie) {
    const Connection& connection = by_cookie_.at(cookie);
    if (!connection.closing) out.push_back(connection.name);
  };
  for (const uint64_t cookie : unproven_) add(cookie);
  for (const uint64_t cookie : busy_) add(cookie);
  slice = std::min(slice, proven_.size());
  for (auto it = proven_.upper_bound(measured_last_); slice > 0; --slice, ++it) {
    if (it == proven_.end()) it = proven_.begin();
    measured_last_ = *it;
    if (!busy_.contains(*it)) add(*it);
  }
  return out;
}

bool ConnectionTable::Measured(uint64_t cookie, uint64_t received, MonoTime now) {
  const auto it = by_cookie_.find(cookie);
  if (it == by_cookie_.end() || it->second.closing) return false;
  Connection& connection = it->second;
  const double seconds = std::chrono::duration<double>(now - connection.measured_at).count();
  const uint64_t grown = received - std::min(received, connection.received);
  connection.received = received;
  connection.measured_at = now;
  if (connection.progress != Progress::kAuthenticated) {
    if (received <= limits_.bytes.before_login) return false;
    Drop(connection);
    return true;
  }
  if (connection.place != Place::kServed) return false;
  const auto burst = static_cast<int64_t>(limits_.bytes.burst);
  connection.allowance +=
      static_cast<int64_t>(seconds * static_cast<double>(limits_.bytes.per_second));
  connection.allowance -= static_cast<int64_t>(grown);
  if (connection.allowance < 0) {
    Drop(connection);
    return true;
  }
  connection.allowance = std::min(connection.allowance, burst);
  if (static_cast<double>(grown) > seconds * kBusyBytesPerSecond) {
    busy_.insert(cookie);
  } else {
    busy_.erase(cookie);
  }
  return false;
}

void ConnectionTable::Credit(const net::SocketAddress& peer, uint64_t bytes) {
  Connection* connection = ByPeer(peer);
  if (connection == nullptr || connection->progress != Progress::kAuthenticated) return;
  connection->allowance += static_cast<int64_t>(bytes);
}

std::optional<MonoTime> ConnectionTable::NextDue() const {
  std::optional<MonoTime> next;
  for (const auto* times : {&due_, &quiet_}) {
    if (!times->empty() && (!next || times->begin()->first < *next)) next = times->begin()->first;
  }
  return next;
}

std::optional<SocketName> ConnectionTable::Find(uint64_t cookie) const {
  const auto it = by_cookie_.find(cookie);
  if (it == by_cookie_.end()) return std::nullopt;
  return it->second.name;
}

std::vector<SocketName> ConnectionTable::All() const {
  std::vector<SocketName> out;
  out.reserve(by_cookie_.size());
  for (const auto& [cookie, connection] : by_cookie_) out.push_back(connection.name);
  return out;
}

ConnectionTable::Connection* ConnectionTable::ByPeer(const net::SocketAddress& peer) {
  const auto it = by_peer_.find(peer);
  return it == by_peer_.end() ? nullptr : &by_cookie_.at(it->second);
}

const ConnectionTable::Connection* ConnectionTable::ByPeer(const net::SocketAddress& peer) const {
  const auto it = by_peer_.find(peer);
  return it == by_peer_.end() ? nullptr : &by_cookie_.at(it->second);
}

size_t& ConnectionTable::Taken(Place place) {
  switch (place) {
    case Place::kServed:
      return served_;
    case Place::kFull:
      return full_;
    case Place::kRelay:
      break;
  }
  return relays_;
}

void ConnectionTable::EnterGreeted(Connection& connection) {
  if (connection.place != Place::kServed) return;
  connection.greeted_index = greeted_.size();
  greeted_.push_back(connection.name.cookie);
}

void ConnectionTable::LeaveUnauthenticated(Connection& connection) {
  const uint64_t cookie = connection.name.cookie;
  silent_.erase({connection.accepted, cookie});
  const size_t index = connection.greeted_index;
  if (index >= greeted_.size() || greeted_[index] != cookie) return;
  greeted_[index] = greeted_.back();
  by_cookie_.at(greeted_[index]).greeted_index = index;
  greeted_.pop_back();
}

void ConnectionTable::ForgetSource(const Connection& connection) {
  const auto it = by_source_.find(net::SourceOf(connection.peer.ip));
  P2P_CHECK(it != by_source_.end());
  if (--it->second == 0) by_source_.erase(it);
}

// Nothing that it says or sends matters any more.
void ConnectionTable::SetClosing(Connection& connection) {
  connection.closing = true;
  SetAsk(connection, std::nullopt);
  LeaveUnauthenticated(connection);
  busy_.erase(connection.name.cookie);
}

SocketName ConnectionTable::Drop(Connection& connection) {
  SetDue(connection, std::nullopt);
  SetClosing(connection);
  return connection.name;
}

void ConnectionTable::SetDue(Connection& connection, std::optional<MonoTime> when) {
  if (connection.due) due_.erase({*connection.due, connection.name.cookie});
  connection.due = when;
  if (when) due_.insert({*when, connection.name.cookie});
}

void ConnectionTable::SetAsk(Connection& connection, std::optional<MonoTime> when) {
  if (connection.ask) quiet_.erase({*connection.ask, connection.name.cookie});
  connection.ask = when;
  if (when) quiet_.insert({*when, connection.name.cookie});
}

}  // namespace p2p::server
