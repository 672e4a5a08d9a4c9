// Decides whether an introduction is for us and makes the link record from it. Pure.
#pragma once

#include <deque>

#include "absl/status/statusor.h"
#include "common/crypto/sign.h"
#include "peer-client/chat/link_keys.h"
#include "peer-client/state/link_records.h"

namespace p2p::client {

// Nonces we gave away and have not seen in an introduction; the newest 256. They outlive a restart,
// since what was asked or approved before it may be answered after it.
class NonceMemory {
 public:
  static constexpr size_t kMax = 256;
  // The server sends an introduction again for 10 minutes, at most a minute after the request.
  static constexpr WallTime::duration kKept = std::chrono::minutes(15);
  // `limit` of the conversation that comes of it; zero: none but the approval's end.
  void Add(const wire::IntroNonce& nonce, WallTime now, Duration limit = {});
  // nullopt: it was not given away.
  std::optional<Duration> Limit(const wire::IntroNonce& nonce) const;
  void Remove(const wire::IntroNonce& nonce);

  Bytes Serialize() const;
  // Without those older than kKept; empty for what is no serialized memory.
  static NonceMemory Parse(ByteView bytes, WallTime now);

 private:
  struct Given {
    wire::IntroNonce nonce;
    WallTime at;
    Duration limit;
  };
  std::deque<Given> nonces_;
};

struct IntroductionInput {
  ByteView signed_object;
  ByteView signature;
  ByteView introducer_key;
  crypto::PublicKey device_key;  // Ours.
  absl::string_view username;    // Ours.
  WallTime approval_until;
};

// A parsed introduction whose signature is right and in which we are one party by name and key.
struct CheckedIntroduction {
  wire::Introduction introduction;
  LinkRole role;
};
absl::StatusOr<CheckedIntroduction> CheckIntroduction(const IntroductionInput& input);

// FailedPrecondition unless our nonce in it is one that we gave away.
absl::StatusOr<LinkRecord> MakeLinkRecord(const CheckedIntroduction& checked,
                                          const NonceMemory& nonces, WallTime approval_until);

}  // namespace p2p::client
