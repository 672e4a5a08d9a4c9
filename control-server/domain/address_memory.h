// At which addresses accounts were active in the last minutes: tells an honest mistake ("he was
// there a moment ago") from a made-up address. Pure; the caller persists what TakeChanged returns.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "control-server/domain/records.h"
#include "control-server/domain/viewpoint.h"

namespace p2p::server {

class AddressMemory {
 public:
  // Of one account; the one that was used longest ago is dropped.
  static constexpr size_t kMaxPerAccount = 8;

  explicit AddressMemory(Duration keep) : keep_(keep) {}

  // What a server that ran before remembered. Wall time is used here only: ages count on the
  // monotonic clock from then on.
  void Load(const std::vector<AddressRecord>& records, WallTime wall, MonoTime now);
  // The account is, or was until now, active at `ip`.
  void Touch(const net::IpAddress& ip, UserId user, WallTime wall, MonoTime now);

  struct Sighting {
    UserId user;
    WallTime last_active;
  };
  // Who was active lately at what `viewer` sees as `ip`.
  std::vector<Sighting> At(const Viewpoint& viewer, const net::IpAddress& ip, MonoTime now) const;
  // When the account was last known to be active, anywhere.
  std::optional<WallTime> LastActive(UserId user, MonoTime now) const;

  bool changed() const { return !changed_.empty(); }
  // Touched since the last call.
  std::vector<AddressRecord> TakeChanged();
  // Drops what is older than `keep`.
  void Forget(MonoTime now);
  size_t size() const;

 private:
  struct Entry {
    net::IpAddress ip;
    WallTime wall;
    MonoTime mono;
  };
  bool IsFresh(const Entry& entry, MonoTime now) const { return now - entry.mono < keep_; }
  void Put(const net::IpAddress& ip, UserId user, const Entry& entry);
  void Unindex(const net::IpAddress& ip, UserId user);
  void Collect(const Viewpoint& viewer, const net::IpAddress& seen, const net::IpAddress& shown,
               MonoTime now, std::vector<Sighting>& out) const;

  const Duration keep_;
  absl::flat_hash_map<UserId, std::vector<Entry>> by_user_;
  absl::flat_hash_map<net::IpAddress, absl::flat_hash_set<UserId>>
      by_ip_;  // As the server saw them.
  absl::flat_hash_set<std::pair<UserId, net::IpAddress>> changed_;
};

}  // namespace p2p::server
