#include "control-server/admission/connection_table.h"

#include <algorithm>

#include "common/base/check.h"

namespace p2p::server {

std::optional<Place> ConnectionTable::FreePlace() const {
  if (served_ < limits_.served) return Place::kServed;
  if (full_ < limits_.full) return Place::kFull;
  return std::nullopt;
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
}

void ConnectionTable::Remove(uint64_t cookie) {
  const auto it = by_cookie_.find(cookie);
  if (it == by_cookie_.end()) return;
  Connection& gone = it->second;
  SetDue(gone, std::nullopt);
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
  connection->progress = Progress::kHello;
  if (!connection->closing) SetDue(*connection, now + deadlines_.authentication);
  if (connection->pauses > 0) connection->paused_at = now;
  return true;
}

bool ConnectionTable::MarkAuthenticated(const net::SocketAddress& peer) {
  Connection* connection = ByPeer(peer);
  if (connection == nullptr) return false;
  if (connection->progress == Progress::kAuthenticated || connection->place == Place::kFull) {
    return true;
  }
  connection->progress = Progress::kAuthenticated;
  ++authenticated_;
  if (!connection->closing) SetDue(*connection, std::nullopt);
  return true;
}

bool ConnectionTable::MarkRelay(const net::SocketAddress& peer) {
  Connection* connection = ByPeer(peer);
  if (connection == nullptr) return false;
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
  connection->closing = true;
  SetDue(*connection, connection->due ? std::min(*connection->due, when) : when);
  return true;
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
    SetDue(connection, std::nullopt);
    connection.closing = true;
    out.push_back(connection.name);
  }
  return out;
}

std::optional<MonoTime> ConnectionTable::NextDue() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
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
      return relays_;
  }
  P2P_CHECK(false);
}

void ConnectionTable::SetDue(Connection& connection, std::optional<MonoTime> when) {
  if (connection.due) due_.erase({*connection.due, connection.name.cookie});
  connection.due = when;
  if (when) due_.insert({*when, connection.name.cookie});
}

}  // namespace p2p::server
