#include "control-server/service/inbound_desk.h"

#include <utility>

#include "control-server/service/errors.h"

namespace p2p::server {
namespace {

constexpr size_t kSweepAbove = 256;

}  // namespace

InboundDesk::InboundDesk(const Clock& clock, Random& random)
    : clock_(clock),
      random_(random),
      rate_(kChecks, kMaxAccounts),
      dials_(clock, {.threads = 2, .capacity = 16, .max_wait = 2s}) {}

absl::StatusOr<crypto::InboundChallenge> InboundDesk::Begin(UserId user) {
  const MonoTime now = clock_.Mono();
  const MutexLock lock(mu_);
  if (const Duration wait = rate_.Wait(user, now); wait > Duration::zero()) {
    return RetryLaterError("3 checks in 10 minutes are allowed", wait);
  }
  rate_.Take(user, now);
  if (begun_.size() > kSweepAbove) {
    absl::erase_if(begun_, [now](const auto& entry) { return entry.second.ends <= now; });
  }
  Begun& begun = begun_[user];
  begun = {random_.Array<32>(), now + kChallengeLife};
  return begun.challenge;
}

absl::Status InboundDesk::Take(UserId user, const crypto::InboundChallenge& challenge) {
  const MutexLock lock(mu_);
  const auto found = begun_.find(user);
  const bool good = found != begun_.end() && found->second.ends > clock_.Mono() &&
                    crypto::ConstantTimeEqual(found->second.challenge, challenge);
  if (!good) return absl::FailedPreconditionError("begin a check first, within 30 s");
  begun_.erase(found);
  return absl::OkStatus();
}

bool InboundDesk::Dial(const net::SocketAddress& to, const crypto::InboundChallenge& challenge,
                       absl::AnyInvocable<void(std::optional<Inbound>)> done) {
  const InboundOrder order{.challenge = challenge, .random = random_.Array<16>()};
  return dials_.Submit([this, to, order, done = std::move(done)](HashPool::Turn turn) mutable {
    if (turn == HashPool::Turn::kTooLate) return done(std::nullopt);
    ++dialled_;
    const Inbound result = DialBack(to, order, clock_, stopped_);
    done(stopped_ ? std::nullopt : std::optional(result));
  });
}

void InboundDesk::Stop() {
  stopped_ = true;
  dials_.Stop();
}

}  // namespace p2p::server
