// Peer requests as this client knows them, and who is on the list it last saw. Pure.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "peer-client/app/control_port.h"
#include "peer-client/app/now.h"

namespace p2p::client {

enum class TargetKind { kName, kAddress, kMalformed };
// An IP address, a legal username, or neither.
TargetKind ClassifyTarget(absl::string_view target);
// Meant as an address, legal or not: sent in the request's address field.
bool LooksLikeAddress(absl::string_view target);

class RequestBook {
 public:
  // What the user said to an incoming request.
  struct Answer {
    bool approve = false;
    Duration limit{};
  };

  // At most 64 are kept in each direction, the newest; the server keeps its own account of all.
  // False: it is known already, or had its outcome (which may be here before the call's answer).
  bool AddIncoming(const event::PeerRequest& request, MonoTime now);
  bool AddOutgoing(const RequestInfo& request, Duration expires_in, MonoTime now);
  // Kept, because the server may have lost it with the channel on which it went.
  void NoteAnswer(const std::string& request_id, Answer answer);
  std::optional<Answer> AnswerOf(const std::string& request_id) const;
  // The request has its outcome. False: it had one before, and it was told.
  bool Close(const std::string& request_id, const std::string& peer);
  // It cannot be answered; an outcome may still come.
  void Drop(const std::string& request_id);
  // The session has ended.
  void DropAll();

  // Whom an open one, or one of the last that had an outcome, is of; empty: not known.
  std::string PeerOf(const std::string& request_id) const;

  // The channel is lost: what became of the open ones is not known.
  void DoubtAll();
  void Confirm(const std::string& request_id);  // It is open still.
  // The oldest one of which that is not known.
  struct Doubtful {
    std::string request_id;
    std::string peer;
  };
  std::optional<Doubtful> NextDoubtful() const;

  // `text` is an id, the unambiguous beginning of one (4 characters at least), a name, or empty
  // when only one is open. NotFound and FailedPrecondition say what to do.
  absl::StatusOr<std::string> FindIncoming(absl::string_view text, MonoTime now) const;
  absl::StatusOr<std::string> FindOutgoing(absl::string_view text) const;
  bool AnyIncoming(MonoTime now) const;
  // Open ones, oldest first.
  out::Requests Open(MonoTime now) const;

  void SetActive(std::vector<out::ActiveClient> clients, MonoTime now);
  // Whether the list need not be fetched before `target` is judged: not older than 10 s for one
  // that is on it, than 1 s for one that is not (he may just have come).
  bool ListIsFreshFor(absl::string_view target, MonoTime now) const;
  bool IsListed(absl::string_view target) const;
  void ForgetList() { list_at_.reset(); }

 private:
  struct Entry {
    std::string peer;
    MonoTime since;
    MonoTime expires;
    uint64_t order;
    std::string ip_address;
    std::string reason;
    bool doubtful = false;
    std::optional<Answer> answer = std::nullopt;
  };
  using Entries = std::map<std::string, Entry>;  // By request id.
  const std::string* ClosedPeer(const std::string& request_id) const;
  bool Add(Entries& to, const std::string& id, Entry entry);
  static std::vector<out::Requests::Entry> List(const Entries& entries, MonoTime now);

  Entries incoming_;
  Entries outgoing_;
  std::deque<std::pair<std::string, std::string>> closed_;  // The last ones that had an outcome.
  std::vector<out::ActiveClient> active_;
  std::optional<MonoTime> list_at_;
  uint64_t next_order_ = 0;
};

}  // namespace p2p::client
