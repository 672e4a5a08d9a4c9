// What the server remembers, as plain values. Shared by domain and store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/id.h"
#include "common/base/time.h"
#include "common/net/address.h"

namespace p2p::server {

struct Account {
  UserId id;
  std::string username;  // As spelled at sign-up; unique without regard to case.
  std::string phc;       // Argon2id PHC string.
  WallTime created_at;
  bool disabled = false;
  bool admin = false;
  // NameSkeleton(username), when this account claims it: no two claim the same. Empty: claims none.
  std::string skeleton;
  bool operator==(const Account&) const = default;
};

// Nothing else is ever penalised: mistakes an honest user can make are answered, not punished. The
// numbers are stored: never change one.
enum class Offence : uint8_t {
  kUnknownName = 0,     // No such account.
  kUnknownAddress = 1,  // No account was active there lately.
  kSelf = 2,            // One's own name, or an address at which only oneself is.
  kMalformed = 3,       // Neither a name nor an address.
  kSpecialAddress = 4,  // Unspecified, multicast, broadcast; loopback outside one's own view.
};

// The penalties of an account that still count.
struct PenaltyRecord {
  static constexpr size_t kMaxStrikes = 3;
  UserId account;
  Offence offence = Offence::kMalformed;  // The last one, with its start and end.
  WallTime start;
  WallTime end;
  int level = 0;  // Cool-downs given so far: the next one is that much longer.
  // When each one's penalty was over, oldest first; 1970 stands for none.
  std::array<WallTime, kMaxStrikes> strikes{};
  bool operator==(const PenaltyRecord&) const = default;
};

// An access token. The token itself is never stored.
struct TokenRecord {
  TokenHash hash;
  UserId account;
  std::array<uint8_t, 32> device_key{};  // All zero: none was given.
  uint16_t chat_port = 0;                // 0: none was given.
  WallTime issued_at;
  WallTime expires_at;
  // A session begins with a log-in and is carried on by renewals (Resume): the hash of the log-in's
  // token. Zero: this is that token.
  TokenHash session;
  uint32_t generation = 0;  // How many renewals led here.
  bool operator==(const TokenRecord&) const = default;
};

// By what all tokens of one session are known.
inline TokenHash SessionOf(const TokenRecord& token) {
  return token.session.is_zero() ? token.hash : token.session;
}

// The resume tokens of one session. Each has a generation, like the access token that was handed
// out with it.
struct ResumeFamily {
  TokenHash session;
  UserId account;
  std::array<uint8_t, 32> device_key{};
  uint16_t chat_port = 0;
  WallTime started_at;       // The log-in.
  WallTime renewed_at;       // When the newest token was handed out.
  uint32_t generation = 0;   // Of the newest token.
  bool newest_used = false;  // Resumed with, or its access token was presented.
  bool operator==(const ResumeFamily&) const = default;
};

// A resume token that somebody presented, as the store knows it.
struct PresentedResume {
  ResumeFamily family;
  uint32_t generation = 0;
  bool operator==(const PresentedResume&) const = default;
};

// An approved request, kept until both parties acknowledged it or its memory time is over.
struct IntroductionRecord {
  RequestId id;
  UserId requester;
  UserId target;
  Bytes signed_object;
  std::array<uint8_t, 64> signature{};
  WallTime created_at;
  bool requester_acked = false;
  bool target_acked = false;
  bool operator==(const IntroductionRecord&) const = default;
};

// An address at which an account was active, and until when that was last known to be so.
struct AddressRecord {
  net::IpAddress ip;
  UserId account;
  WallTime last_active;
  bool operator==(const AddressRecord&) const = default;
};

struct BroadcastRecord {
  BroadcastId id;
  UserId sender;
  std::string text;             // Empty once expired.
  std::string idempotency_key;  // Empty: none.
  std::array<uint8_t, 32>
      content_digest{};  // Over text, ttl and omit_sender: tells a retry from another content.
  Bytes signed_object;
  std::array<uint8_t, 64> signature{};
  WallTime sent_at;
  WallTime expires_at;
  bool omit_sender = false;
  bool revoked = false;
  bool operator==(const BroadcastRecord&) const = default;
};

enum class DeliveryVia : uint8_t { kNone = 0, kUdp = 1, kChannel = 2 };

// A row of the delivery ledger: exists once the account became due; `via` leaves kNone once, then
// the row does not change.
struct DeliveryRecord {
  BroadcastId broadcast;
  UserId user;
  WallTime due_at{};
  DeliveryVia via = DeliveryVia::kNone;
  WallTime delivered_at{};
  bool operator==(const DeliveryRecord&) const = default;
};

struct DeliveryCounts {
  size_t due = 0;  // Delivered ones included.
  size_t delivered = 0;
  bool operator==(const DeliveryCounts&) const = default;
};

}  // namespace p2p::server
