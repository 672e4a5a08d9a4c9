// Who is active: one attached client per account, and the grace after a broken connection. Pure;
// names are compared without regard to case.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "control-server/domain/viewpoint.h"

namespace p2p::server {

class Presence {
 public:
  enum class End {
    kClean,   // The client ended its channel, logged out or was sent away: gone at once.
    kBroken,  // The connection was lost: listed for `grace` more.
  };

  struct AttachResult {
    // Set: refused, somebody is attached from there and `take_over` was not given.
    std::optional<net::IpAddress> busy_at;
    std::optional<ConnId> replaced;  // The attachment that this one took over.
    bool arrived = false;            // Was not listed before.
  };

  explicit Presence(Duration grace) : grace_(grace) {}

  AttachResult Attach(const ActiveUser& client, ConnId conn, bool take_over);
  // Ends the attachment `conn`. True when the user is off the list by it. Another conn than the
  // current one is ignored.
  bool Detach(UserId user, ConnId conn, End end, MonoTime now);
  // Takes the user off the list, attached or in grace. False when not listed.
  bool Remove(UserId user);

  // Takes those off the list whose grace is over, and returns them.
  std::vector<ActiveUser> ExpireGrace(MonoTime now);
  std::optional<MonoTime> NextDeadline() const;

  // Null: not listed. The pointer is good until the next change.
  const ActiveUser* Find(UserId user) const;
  const ActiveUser* FindByName(absl::string_view username) const;
  bool IsAttached(UserId user) const;
  // Everybody whom `viewer` sees at `ip`.
  std::vector<ActiveUser> At(const Viewpoint& viewer, const net::IpAddress& ip) const;
  size_t size() const { return by_name_.size(); }

  std::shared_ptr<const PresenceSnapshot> Snapshot() const;

 private:
  struct Entry {
    ActiveUser client;
    ConnId conn;
    std::optional<MonoTime> grace_until;  // Set: not attached any more.
  };

  Entry* FindEntry(UserId user);
  void AddAddress(const Entry& entry);
  void DropAddress(const Entry& entry);
  void EndGrace(Entry& entry);

  const Duration grace_;
  std::map<std::string, Entry> by_name_;  // Key: folded name. Nodes do not move.
  absl::flat_hash_map<UserId, Entry*> by_user_;
  absl::flat_hash_map<net::IpAddress, std::set<UserId>> by_ip_;  // As the server sees them.
  std::set<UserId> on_loopback_;
  std::set<std::pair<MonoTime, UserId>> graces_;
};

}  // namespace p2p::server
