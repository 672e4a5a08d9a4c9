#include "control-server/domain/address_memory.h"

#include <algorithm>

namespace p2p::server {

void AddressMemory::Load(const std::vector<AddressRecord>& records, WallTime wall, MonoTime now) {
  for (const AddressRecord& record : records) {
    // A wall clock that was set back must not make an old sighting younger than this start.
    const Duration age = std::max<Duration>(wall - record.last_active, Duration::zero());
    if (age >= keep_) continue;
    Put(record.ip, record.account,
        Entry{.ip = record.ip, .wall = record.last_active, .mono = now - age});
  }
}

void AddressMemory::Touch(const net::IpAddress& ip, UserId user, WallTime wall, MonoTime now) {
  Put(ip, user, Entry{.ip = ip, .wall = wall, .mono = now});
  changed_.emplace(user, ip);
}

std::vector<AddressMemory::Sighting> AddressMemory::At(const Viewpoint& viewer,
                                                       const net::IpAddress& ip,
                                                       MonoTime now) const {
  std::vector<Sighting> found;
  Collect(viewer, ip, ip, now, found);
  if (ip != viewer.server) return found;
  for (const auto& [seen, users] : by_ip_) {
    if (seen != ip && seen.IsLoopback()) Collect(viewer, seen, ip, now, found);
  }
  return found;
}

std::optional<WallTime> AddressMemory::LastActive(UserId user, MonoTime now) const {
  const auto it = by_user_.find(user);
  if (it == by_user_.end()) return std::nullopt;
  std::optional<WallTime> latest;
  for (const Entry& entry : it->second) {
    if (IsFresh(entry, now) && (!latest || *latest < entry.wall)) latest = entry.wall;
  }
  return latest;
}

std::vector<AddressRecord> AddressMemory::TakeChanged() {
  std::vector<AddressRecord> changed;
  for (const auto& [user, ip] : changed_) {
    const auto it = by_user_.find(user);
    if (it == by_user_.end()) continue;  // Forgotten meanwhile.
    for (const Entry& entry : it->second) {
      if (entry.ip == ip) changed.push_back({.ip = ip, .account = user, .last_active = entry.wall});
    }
  }
  changed_.clear();
  return changed;
}

void AddressMemory::Forget(MonoTime now) {
  for (auto it = by_user_.begin(); it != by_user_.end();) {
    const auto current = it++;
    const UserId user = current->first;
    std::erase_if(current->second, [&](const Entry& entry) {
      if (IsFresh(entry, now)) return false;
      Unindex(entry.ip, user);
      return true;
    });
    if (current->second.empty()) by_user_.erase(current);
  }
}

size_t AddressMemory::size() const {
  size_t n = 0;
  for (const auto& [user, entries] : by_user_) n += entries.size();
  return n;
}

void AddressMemory::Put(const net::IpAddress& ip, UserId user, const Entry& entry) {
  auto& entries = by_user_[user];
  const auto known =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.ip == ip; });
  if (known != entries.end()) {
    *known = entry;
    return;
  }
  if (entries.size() == kMaxPerAccount) {
    const auto oldest =
        std::min_element(entries.begin(), entries.end(),
                         [](const Entry& a, const Entry& b) { return a.mono < b.mono; });
    Unindex(oldest->ip, user);
    entries.erase(oldest);
  }
  entries.push_back(entry);
  by_ip_[ip].insert(user);
}

void AddressMemory::Unindex(const net::IpAddress& ip, UserId user) {
  const auto it = by_ip_.find(ip);
  it->second.erase(user);
  if (it->second.empty()) by_ip_.erase(it);
}

void AddressMemory::Collect(const Viewpoint& viewer, const net::IpAddress& seen,
                            const net::IpAddress& shown, MonoTime now,
                            std::vector<Sighting>& out) const {
  const auto it = by_ip_.find(seen);
  if (it == by_ip_.end() || AddressFor(viewer, seen) != shown) return;
  for (const UserId& user : it->second) {
    for (const Entry& entry : by_user_.at(user)) {
      if (entry.ip == seen && IsFresh(entry, now)) out.push_back({user, entry.wall});
    }
  }
}

}  // namespace p2p::server
