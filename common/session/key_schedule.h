// Keys of a relay session, all made from the psk that `Attached` carried over TLS.
// proto/RELAY_DATAGRAM.md, "Keys".
#pragma once

#include "common/base/id.h"
#include "common/base/secret.h"
#include "common/crypto/aead.h"
#include "common/wire/register_packet.h"

namespace p2p::session {

enum class Direction : uint8_t { kToRelay = 0, kToClient = 1 };

// What one direction seals with. The nonce of packet n is iv xor n.
struct SealKey {
  Secret<crypto::kAeadKeySize> key;
  crypto::AeadNonce iv{};
};

Secret<32> DeriveRegisterMacKey(const Secret<32>& psk);   // "mac1": authenticates REGISTER.
Secret<32> DeriveChallengeMacKey(const Secret<32>& psk);  // "mac2": authenticates CHALLENGE.

// Seals RegisterBody (to the relay; packet 0, used once per client_random).
SealKey DeriveRegisterKey(const Secret<32>& psk, const wire::SessionRandom& client_random);
// Seals RegisteredBody (to the client; packet 0). server_random in the salt makes every REGISTERED
// that is not a byte-identical resend use a key of its own.
SealKey DeriveRegisteredKey(const Secret<32>& psk, const wire::SessionRandom& client_random,
                            const wire::SessionRandom& server_random);
// Seals DATA datagrams of one direction and epoch.
SealKey DeriveSessionKey(const Secret<32>& psk, const wire::SessionRandom& client_random,
                         const wire::SessionRandom& server_random, ConnId conn_id,
                         Direction direction, uint32_t epoch);

// The key of the epoch after `key`'s: who has this one cannot go back.
SealKey DeriveNextKey(const SealKey& key, ConnId conn_id, uint32_t next_epoch);

crypto::AeadNonce MakeNonce(const crypto::AeadNonce& iv, uint64_t packet_no);

}  // namespace p2p::session
