#include "control-server/domain/resolve.h"

#include <algorithm>

#include "control-server/domain/names.h"

namespace p2p::server {
namespace {

using Kind = Resolution::Kind;

Resolution Guilty(Offence offence) {
  Resolution r;
  r.kind = Kind::kOffence;
  r.offence = offence;
  return r;
}

Resolution Found(const ActiveUser& peer) {
  Resolution r;
  r.kind = Kind::kPeer;
  r.peer = peer;
  return r;
}

Resolution Just(Kind kind) {
  Resolution r;
  r.kind = kind;
  return r;
}

Resolution ResolveName(const std::string& name, const Asker& asker, const Presence& presence) {
  if (FoldUsername(name) == FoldUsername(asker.username)) return Guilty(Offence::kSelf);
  const ActiveUser* peer = presence.FindByName(name);
  return peer == nullptr ? Just(Kind::kNeedsAccount) : Found(*peer);
}

Resolution Ambiguous(const std::vector<ActiveUser>& users) {
  Resolution r;
  r.kind = Kind::kAmbiguous;
  for (const ActiveUser& user : users) r.names.push_back(user.username);
  std::sort(r.names.begin(), r.names.end());
  return r;
}

bool IsOwnAddress(const net::IpAddress& ip, const Asker& asker, const Presence& presence) {
  if (ip == asker.view.own) return true;
  const ActiveUser* self = presence.Find(asker.user);
  return self != nullptr && AddressFor(asker.view, self->seen) == ip;
}

// Nobody else is active at `ip`.
Resolution ResolveVacant(const net::IpAddress& ip, const Asker& asker, const Presence& presence,
                         const AddressMemory& memory, bool just_started, MonoTime now) {
  std::optional<WallTime> others;  // Was somebody else there, is the target an honest mistake.
  std::optional<WallTime> anyone;
  for (const auto& [user, last_active] : memory.At(asker.view, ip, now)) {
    if (user != asker.user) others = std::max(others.value_or(last_active), last_active);
    anyone = std::max(anyone.value_or(last_active), last_active);
  }
  if (!others && IsOwnAddress(ip, asker, presence)) return Guilty(Offence::kSelf);
  if (anyone) {
    Resolution r = Just(Kind::kInactiveAddress);
    r.left_at = others.value_or(*anyone);
    return r;
  }
  return just_started ? Just(Kind::kJustStarted) : Guilty(Offence::kUnknownAddress);
}

Resolution ResolveAddress(const net::IpAddress& ip, const Asker& asker, const Presence& presence,
                          const AddressMemory& memory, bool just_started, MonoTime now) {
  if (ip.IsLoopback() && !asker.view.own.IsLoopback()) return Guilty(Offence::kSpecialAddress);
  std::vector<ActiveUser> users = presence.At(asker.view, ip);
  std::erase_if(users, [&](const ActiveUser& u) { return u.user == asker.user; });
  if (users.size() == 1) return Found(users.front());
  if (users.size() > 1) return Ambiguous(users);
  return ResolveVacant(ip, asker, presence, memory, just_started, now);
}

}  // namespace

Resolution Resolve(const Target& target, const Asker& asker, const Presence& presence,
                   const AddressMemory& memory, bool just_started, MonoTime now) {
  switch (target.kind) {
    case TargetKind::kName:
      return ResolveName(target.name, asker, presence);
    case TargetKind::kAddress:
      return ResolveAddress(target.ip, asker, presence, memory, just_started, now);
    case TargetKind::kSpecialAddress:
      return Guilty(Offence::kSpecialAddress);
    case TargetKind::kGarbage:
      return Guilty(Offence::kMalformed);
  }
  return Guilty(Offence::kMalformed);
}

}  // namespace p2p::server
