#include "control-server/domain/presence.h"

#include <utility>

#include "control-server/domain/names.h"

namespace p2p::server {

Presence::AttachResult Presence::Attach(const ActiveUser& client, ConnId conn, bool take_over) {
  AttachResult result;
  Entry* entry = FindEntry(client.user);
  if (entry == nullptr) {
    entry = &by_name_[FoldUsername(client.username)];
    by_user_[client.user] = entry;
    result.arrived = true;
  } else {
    const bool attached = !entry->grace_until;
    if (attached && !take_over) {
      result.busy_at = entry->client.seen;
      return result;
    }
    if (attached) result.replaced = entry->conn;
    EndGrace(*entry);
    DropAddress(*entry);
  }
  entry->client = client;
  entry->conn = conn;
  AddAddress(*entry);
  return result;
}

bool Presence::Detach(UserId user, ConnId conn, End end, MonoTime now) {
  Entry* entry = FindEntry(user);
  if (entry == nullptr || entry->conn != conn || entry->grace_until) return false;
  if (end == End::kClean) return Remove(user);
  entry->grace_until = now + grace_;
  graces_.emplace(*entry->grace_until, user);
  return false;
}

bool Presence::Remove(UserId user) {
  Entry* entry = FindEntry(user);
  if (entry == nullptr) return false;
  EndGrace(*entry);
  DropAddress(*entry);
  by_user_.erase(user);
  by_name_.erase(FoldUsername(std::string(entry->client.username)));
  return true;
}

std::vector<ActiveUser> Presence::ExpireGrace(MonoTime now) {
  std::vector<ActiveUser> gone;
  while (!graces_.empty() && graces_.begin()->first <= now) {
    const UserId user = graces_.begin()->second;
    gone.push_back(*Find(user));
    Remove(user);
  }
  return gone;
}

std::optional<MonoTime> Presence::NextDeadline() const {
  if (graces_.empty()) return std::nullopt;
  return graces_.begin()->first;
}

const ActiveUser* Presence::Find(UserId user) const {
  const auto it = by_user_.find(user);
  return it == by_user_.end() ? nullptr : &it->second->client;
}

const ActiveUser* Presence::FindByName(absl::string_view username) const {
  const auto it = by_name_.find(FoldUsername(username));
  return it == by_name_.end() ? nullptr : &it->second.client;
}

bool Presence::IsAttached(UserId user) const {
  const auto it = by_user_.find(user);
  return it != by_user_.end() && !it->second->grace_until;
}

std::vector<ActiveUser> Presence::At(const Viewpoint& viewer, const net::IpAddress& ip) const {
  std::set<UserId> users;
  if (const auto it = by_ip_.find(ip); it != by_ip_.end()) users = it->second;
  if (ip == viewer.server) users.insert(on_loopback_.begin(), on_loopback_.end());
  std::vector<ActiveUser> found;
  for (const UserId& user : users) {
    const ActiveUser& client = *Find(user);
    if (AddressFor(viewer, client.seen) == ip) found.push_back(client);
  }
  return found;
}

std::shared_ptr<const PresenceSnapshot> Presence::Snapshot() const {
  auto snapshot = std::make_shared<PresenceSnapshot>();
  snapshot->users.reserve(by_name_.size());
  for (const auto& [name, entry] : by_name_) snapshot->users.push_back(entry.client);
  return snapshot;
}

Presence::Entry* Presence::FindEntry(UserId user) {
  const auto it = by_user_.find(user);
  return it == by_user_.end() ? nullptr : it->second;
}

void Presence::AddAddress(const Entry& entry) {
  by_ip_[entry.client.seen].insert(entry.client.user);
  if (entry.client.seen.IsLoopback()) on_loopback_.insert(entry.client.user);
}

void Presence::DropAddress(const Entry& entry) {
  const auto it = by_ip_.find(entry.client.seen);
  it->second.erase(entry.client.user);
  if (it->second.empty()) by_ip_.erase(it);
  on_loopback_.erase(entry.client.user);
}

void Presence::EndGrace(Entry& entry) {
  if (!entry.grace_until) return;
  graces_.erase({*entry.grace_until, entry.client.user});
  entry.grace_until.reset();
}

}  // namespace p2p::server
