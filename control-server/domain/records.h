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
  bool operator==(const Account&) const = default;
};

// An access token. The token itself is never stored.
struct TokenRecord {
  TokenHash hash;
  UserId account;
  std::array<uint8_t, 32> device_key{};  // All zero: none was given.
  uint16_t chat_port = 0;                // 0: none was given.
  WallTime issued_at;
  WallTime expires_at;
  bool operator==(const TokenRecord&) const = default;
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
