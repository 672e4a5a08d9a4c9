// Making and checking REGISTER, CHALLENGE and REGISTERED: the cryptography of registration, both
// sides.
#pragma once

#include <array>
#include <optional>

#include "common/base/random.h"
#include "common/base/secret.h"
#include "common/base/time.h"
#include "common/session/key_schedule.h"
#include "common/wire/register_packet.h"
#include "common/wire/register_reply.h"

namespace p2p::session {

using RegisterBytes = std::array<uint8_t, wire::kRegisterSize>;
using ChallengeBytes = std::array<uint8_t, wire::kChallengeSize>;
using RegisteredBytes = std::array<uint8_t, wire::kRegisteredSize>;
using SealedBody = std::array<uint8_t, wire::RegisterPacket::kSealedSize>;

// Client. The first REGISTER, without cookie.
RegisterBytes MakeHello(const Secret<32>& psk, ConnId conn_id,
                        const wire::SessionRandom& client_random);
// Client. Seals the body once per client_random; resends and new cookies reuse the result.
SealedBody SealRegisterBody(const Secret<32>& psk, ConnId conn_id,
                            const wire::SessionRandom& client_random,
                            const wire::RegisterBody& body);
// Client. The second REGISTER.
RegisterBytes MakeRegister(const Secret<32>& psk, ConnId conn_id,
                           const wire::SessionRandom& client_random, const wire::Mac& cookie,
                           const SealedBody& sealed);

// Relay. `mac_key` is DeriveRegisterMacKey(psk), kept per session.
bool VerifyRegisterMac(const Secret<32>& mac_key, ByteView datagram);
// Relay. nullopt when the seal or the body is wrong.
std::optional<wire::RegisterBody> OpenRegisterBody(const Secret<32>& psk,
                                                   const wire::RegisterPacket& packet);

// Relay.
ChallengeBytes MakeChallenge(const Secret<32>& psk, ConnId conn_id,
                             const wire::SessionRandom& client_random, const wire::Mac& cookie);
// Client.
bool VerifyChallengeMac(const Secret<32>& psk, ByteView datagram);

// Relay. Call once per server_random, keep the bytes for resends.
RegisteredBytes MakeRegistered(const Secret<32>& psk, ConnId conn_id,
                               const wire::SessionRandom& client_random,
                               const wire::SessionRandom& server_random,
                               const wire::RegisteredBody& body);
// Client.
std::optional<wire::RegisteredBody> OpenRegistered(const Secret<32>& psk,
                                                   const wire::RegisteredPacket& packet);

// Proof that a client receives at the address it sends from. Stateless; the secret is random per
// start and turns every `rotation`, the previous one is accepted for as long again.
class CookieJar {
 public:
  CookieJar(Random& random, Duration rotation) : random_(random), rotation_(rotation) {}
  // `address` is any unambiguous encoding of IP and port.
  wire::Mac Make(ByteView address, ConnId conn_id, const wire::SessionRandom& client_random,
                 MonoTime now);
  bool Check(const wire::Mac& cookie, ByteView address, ConnId conn_id,
             const wire::SessionRandom& client_random, MonoTime now);

 private:
  void Turn(MonoTime now);
  Random& random_;
  Duration rotation_;
  std::optional<MonoTime> turned_;
  Secret<32> current_;
  std::optional<Secret<32>> previous_;
};

}  // namespace p2p::session
