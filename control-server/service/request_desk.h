// Peer requests as the program runs them: shows them to the asked, tells outcomes, lets approvals
// be stored before anybody hears of them. Hub thread only.
#pragma once

#include <string>

#include "common/base/random.h"
#include "control-server/domain/peer_requests.h"
#include "control-server/service/attached_clients.h"
#include "control-server/service/introduction_desk.h"

namespace p2p::server {

class RequestDesk {
 public:
  RequestDesk(const config::Timing& timing, const Clock& clock, Random& random,
              const AttachedClients& clients, IntroductionDesk& introductions)
      : clock_(clock),
        random_(random),
        clients_(clients),
        introductions_(introductions),
        requests_(timing) {}

  // A crossing request starts the approval; call StartApproval with its id after the caller was
  // answered, so that the answer comes before the introduction.
  PeerRequests::Opening Open(RequestParty requester, RequestParty target, std::string reason);
  // Shows an opened request to its target, or stores the approval of a crossed one.
  void Proceed(const PeerRequests::Opening& opening);

  // From the channel; what cannot be done is answered there with RequestRejected.
  void Approve(const AttachedClient& by, const v1::Approve& approve);
  void Deny(const AttachedClient& by, const v1::Deny& deny);
  void Cancel(const AttachedClient& by, const v1::Cancel& cancel);

  // Shows what waits for the user, tells what he missed.
  void OnAttached(UserId user);
  // The attachment ended without the client's doing.
  void OnBroken(UserId user, ConnId conn);
  // The user is not active any more.
  void OnLeft(UserId user);
  void Tick();
  std::optional<MonoTime> NextDeadline() const { return requests_.NextDeadline(); }

  const PeerRequest* FindFor(RequestId id, UserId party) const {
    return requests_.FindFor(id, party);
  }
  // An approval of before a restart. Who acknowledged its introduction knows the outcome.
  void Restore(const IntroductionRecord& record, IntroducedPair parties);

 private:
  void Reject(const AttachedClient& by, const std::string& request_id, const std::string& why);
  void Answered(const AttachedClient& by, const std::string& request_id, RequestId id,
                PeerRequests::Answer answer);
  void StartApproval(RequestId id);
  void Show(const PeerRequest& request);
  void TellOutcomes();
  void Tell(RequestId id, UserId party);

  const Clock& clock_;
  Random& random_;
  const AttachedClients& clients_;
  IntroductionDesk& introductions_;
  PeerRequests requests_;
};

}  // namespace p2p::server
