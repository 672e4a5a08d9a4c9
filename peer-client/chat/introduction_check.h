// Decides whether an introduction is for us and makes the link record from it. Pure.
#pragma once

#include <deque>

#include "absl/status/statusor.h"
#include "common/crypto/sign.h"
#include "peer-client/chat/link_keys.h"
#include "peer-client/state/link_records.h"

namespace p2p::client {

// Nonces we gave away and have not seen in an introduction; the newest 256.
class NonceMemory {
 public:
  static constexpr size_t kMax = 256;
  // `limit` of the conversation that comes of it; zero: none but the approval's end.
  void Add(const wire::IntroNonce& nonce, Duration limit = {});
  // nullopt: it was not given away.
  std::optional<Duration> Limit(const wire::IntroNonce& nonce) const;
  void Remove(const wire::IntroNonce& nonce);

 private:
  std::deque<std::pair<wire::IntroNonce, Duration>> nonces_;
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
