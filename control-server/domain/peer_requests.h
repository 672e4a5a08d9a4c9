// Peer requests: pending -> approved | denied | expired | cancelled | unavailable. Pure: what has
// to be said to the parties is returned or asked for, never sent from here.
//
// Rules: one open request per pair, whichever way; a request the other way round while one is open
// is an approval of it; at most 5 open per requester; the same direction again only
// `request_repeat` after its outcome. An outcome is remembered for `request_memory` and told to
// each party once (again after a broken connection, when it may not have arrived).
#pragma once

#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "common/base/id.h"
#include "common/base/time.h"
#include "common/config/timing.h"
#include "common/wire/introduction.h"
#include "control-server/domain/viewpoint.h"

namespace p2p::server {

enum class RequestState { kPending, kApproved, kDenied, kExpired, kCancelled, kUnavailable };

// For people: "pending", "approved", …
absl::string_view StateName(RequestState state);

// What a party brings to the introduction.
struct PartyOffer {
  wire::DeviceKey device_key{};
  wire::IntroNonce nonce{};
  uint16_t chat_port = 0;
  std::vector<net::SocketAddress> candidates;
  Viewpoint view;  // Where the party is, and from where it will look for the other.
};

struct RequestParty {
  UserId user;
  std::string username;
  PartyOffer offer;  // Of the target: empty until it approved.
};

struct PeerRequest {
  RequestId id;
  RequestParty requester;
  RequestParty target;
  std::string reason;
  RequestState state = RequestState::kPending;
  bool committing = false;  // Approved, the introduction is on its way to the disk.
  MonoTime expires;         // While pending.

  // To everybody else it is pending until the introduction is durable.
  bool open() const { return state == RequestState::kPending || committing; }
  RequestState visible_state() const { return committing ? RequestState::kPending : state; }
};

class PeerRequests {
 public:
  static constexpr size_t kMaxOpen = 5;
  // Of one requester, outcomes included: bounds the memory.
  static constexpr size_t kMaxRemembered = 128;

  explicit PeerRequests(const config::Timing& timing);

  struct Opening {
    enum class Kind {
      kOpened,    // Show `id` to the target.
      kCrossed,   // `id` is the target's own request, approved by this one: see Approve.
      kJoined,    // The same, and it was approved already.
      kOpen,      // A request of this direction is open already: AlreadyExists.
      kTooMany,   // ResourceExhausted, again after `retry_after`.
      kRepeated,  // The same, because the last outcome is too young.
    };
    Kind kind = Kind::kOpened;
    RequestId id;
    Duration retry_after{};
  };
  // `id` is fresh and random; it is used only when the answer is kOpened.
  Opening Open(RequestId id, RequestParty requester, RequestParty target, std::string reason,
               MonoTime now);

  enum class Answer {
    kDone,      // This changed the state.
    kRepeated,  // It was so already; nothing happens.
    kNoSuch,    // Unknown, or not this party's to answer.
    kTooLate,   // The request has another outcome already.
  };
  // kDone: make the introduction, commit it, then call Committed.
  Answer Approve(RequestId id, UserId by, PartyOffer offer, MonoTime now);
  Answer Deny(RequestId id, UserId by, MonoTime now);
  Answer Cancel(RequestId id, UserId by, MonoTime now);
  // The introduction is durable, or could not be made so (then the request is unavailable).
  void Committed(RequestId id, bool durable, MonoTime now);
  // The user is not active any more: what waits for him, or was asked by him, is unavailable.
  void PartyLeft(UserId user, MonoTime now);
  // Expires and forgets.
  void Tick(MonoTime now);
  std::optional<MonoTime> NextDeadline() const;

  // An approval of before a restart, from its introduction.
  void Restore(RequestId id, RequestParty requester, RequestParty target, MonoTime now);

  // Null: unknown or forgotten.
  const PeerRequest* Find(RequestId id) const;
  // Only for the two parties.
  const PeerRequest* FindFor(RequestId id, UserId party) const;
  // Waiting for this user's answer, oldest first.
  std::vector<const PeerRequest*> PendingFor(UserId target) const;

  struct Outcome {
    RequestId id;
    UserId party;
  };
  // Outcomes that came about since the last call, one for each party.
  std::vector<Outcome> TakeOutcomes();
  // Outcomes that this user has not been told.
  std::vector<RequestId> UntoldOutcomes(UserId user) const;
  // The outcome was put on that channel.
  void MarkTold(RequestId id, UserId party, ConnId conn, MonoTime now);
  // The channel broke: what was put on it lately is untold again.
  void ConnectionBroke(UserId user, ConnId conn, MonoTime now);

  size_t size() const { return requests_.size(); }

 private:
  // Longer than a silent death of a connection stays unnoticed (keep-alive), so that nothing told
  // on a dead connection is taken for told.
  static constexpr Duration kUncertain = 40s;

  struct Telling {
    bool told = false;
    ConnId conn;
    MonoTime at;
  };
  struct Entry {
    PeerRequest request;
    MonoTime finished;
    MonoTime deadline;               // In `deadlines_`: of expiry, or of being forgotten.
    std::array<Telling, 2> telling;  // Requester, target.
  };

  Entry* FindEntry(RequestId id);
  Telling* TellingOf(RequestId id, UserId party);
  std::vector<RequestId> IdsOf(UserId user) const;
  std::optional<Opening> Refusal(UserId requester, UserId target, MonoTime now) const;
  std::optional<Opening> Cross(const RequestParty& requester, UserId target, MonoTime now);
  void Insert(Entry entry);
  void Finish(Entry& entry, RequestState state, MonoTime now);
  void SetDeadline(Entry& entry, std::optional<MonoTime> deadline);
  void Forget(RequestId id);

  const config::Timing timing_;
  absl::flat_hash_map<RequestId, Entry> requests_;
  absl::flat_hash_map<UserId, std::set<RequestId>> by_user_;  // Either party.
  std::set<std::pair<MonoTime, RequestId>> deadlines_;
  std::vector<Outcome> outcomes_;
};

}  // namespace p2p::server
