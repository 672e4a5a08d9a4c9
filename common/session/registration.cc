#include "common/session/registration.h"

#include "common/crypto/hash.h"

namespace p2p::session {
namespace {

// Every registration seal uses packet number 0 of a key made for it alone.
constexpr uint64_t kOnlyPacket = 0;

template <size_t N, class Packet>
std::array<uint8_t, N> ToArray(const Packet& packet) {
  std::array<uint8_t, N> out{};
  wire::SpanWriter writer(out);
  packet.SerializeTo(writer);
  return out;
}

// The mac is the last field of its packet and covers everything before it.
template <size_t N>
void PutMac(const Secret<32>& key, std::array<uint8_t, N>& packet) {
  const ByteView maced = ByteView(packet).first(N - wire::kMacSize);
  const auto mac = crypto::HmacSha256Trunc128(key.view(), maced);
  std::copy(mac.begin(), mac.end(), packet.end() - wire::kMacSize);
}

bool CheckMac(const Secret<32>& key, ByteView packet) {
  if (packet.size() < wire::kMacSize) return false;
  const auto mac =
      crypto::HmacSha256Trunc128(key.view(), packet.first(packet.size() - wire::kMacSize));
  return crypto::ConstantTimeEqual(mac, packet.last(wire::kMacSize));
}

}  // namespace

RegisterBytes MakeHello(const Secret<32>& psk, ConnId conn_id,
                        const wire::SessionRandom& client_random) {
  auto out = ToArray<wire::kRegisterSize>(
      wire::RegisterPacket{.conn_id = conn_id, .client_random = client_random});
  PutMac(DeriveRegisterMacKey(psk), out);
  return out;
}

SealedBody SealRegisterBody(const Secret<32>& psk, ConnId conn_id,
                            const wire::SessionRandom& client_random,
                            const wire::RegisterBody& body) {
  const auto aad = ToArray<wire::kRegisterSize>(wire::RegisterPacket{
      .with_cookie = true, .conn_id = conn_id, .client_random = client_random});
  const SealKey key = DeriveRegisterKey(psk, client_random);
  SealedBody sealed{};
  const auto plain = std::span(sealed).first(wire::RegisterBody::kSize);
  wire::SpanWriter writer(plain);
  body.SerializeTo(writer);
  crypto::Aead(crypto::Aead::Use::kSeal)
      .Seal(key.key, MakeNonce(key.iv, kOnlyPacket),
            ByteView(aad).first(wire::RegisterPacket::kAadSize), plain, sealed);
  return sealed;
}

RegisterBytes MakeRegister(const Secret<32>& psk, ConnId conn_id,
                           const wire::SessionRandom& client_random, const wire::Mac& cookie,
                           const SealedBody& sealed) {
  auto out = ToArray<wire::kRegisterSize>(wire::RegisterPacket{.with_cookie = true,
                                                               .conn_id = conn_id,
                                                               .client_random = client_random,
                                                               .cookie = cookie,
                                                               .sealed = sealed});
  PutMac(DeriveRegisterMacKey(psk), out);
  return out;
}

bool VerifyRegisterMac(const Secret<32>& mac_key, ByteView datagram) {
  return datagram.size() == wire::kRegisterSize && CheckMac(mac_key, datagram);
}

std::optional<wire::RegisterBody> OpenRegisterBody(const Secret<32>& psk,
                                                   const wire::RegisterPacket& packet) {
  const auto aad = ToArray<wire::kRegisterSize>(packet);
  const SealKey key = DeriveRegisterKey(psk, packet.client_random);
  std::array<uint8_t, wire::RegisterBody::kSize> plain;
  if (!crypto::Aead(crypto::Aead::Use::kOpen)
           .Open(key.key, MakeNonce(key.iv, kOnlyPacket),
                 ByteView(aad).first(wire::RegisterPacket::kAadSize), packet.sealed, plain)) {
    return std::nullopt;
  }
  return wire::RegisterBody::Parse(plain);
}

ChallengeBytes MakeChallenge(const Secret<32>& psk, ConnId conn_id,
                             const wire::SessionRandom& client_random, const wire::Mac& cookie) {
  auto out = ToArray<wire::kChallengeSize>(
      wire::ChallengePacket{.conn_id = conn_id, .client_random = client_random, .cookie = cookie});
  PutMac(DeriveChallengeMacKey(psk), out);
  return out;
}

bool VerifyChallengeMac(const Secret<32>& psk, ByteView datagram) {
  return datagram.size() == wire::kChallengeSize && CheckMac(DeriveChallengeMacKey(psk), datagram);
}

RegisteredBytes MakeRegistered(const Secret<32>& psk, ConnId conn_id,
                               const wire::SessionRandom& client_random,
                               const wire::SessionRandom& server_random,
                               const wire::RegisteredBody& body) {
  auto out = ToArray<wire::kRegisteredSize>(wire::RegisteredPacket{
      .conn_id = conn_id, .client_random = client_random, .server_random = server_random});
  const SealKey key = DeriveRegisteredKey(psk, client_random, server_random);
  const auto sealed = std::span(out).subspan(wire::RegisteredPacket::kAadSize);
  const auto plain = sealed.first(wire::RegisteredBody::kSize);
  wire::SpanWriter writer(plain);
  body.SerializeTo(writer);
  crypto::Aead(crypto::Aead::Use::kSeal)
      .Seal(key.key, MakeNonce(key.iv, kOnlyPacket),
            ByteView(out).first(wire::RegisteredPacket::kAadSize), plain, sealed);
  return out;
}

std::optional<wire::RegisteredBody> OpenRegistered(const Secret<32>& psk,
                                                   const wire::RegisteredPacket& packet) {
  const auto aad = ToArray<wire::kRegisteredSize>(packet);
  const SealKey key = DeriveRegisteredKey(psk, packet.client_random, packet.server_random);
  std::array<uint8_t, wire::RegisteredBody::kSize> plain;
  if (!crypto::Aead(crypto::Aead::Use::kOpen)
           .Open(key.key, MakeNonce(key.iv, kOnlyPacket),
                 ByteView(aad).first(wire::RegisteredPacket::kAadSize), packet.sealed, plain)) {
    return std::nullopt;
  }
  return wire::RegisteredBody::Parse(plain);
}

namespace {

wire::Mac Cookie(const Secret<32>& secret, ByteView address, ConnId conn_id,
                 const wire::SessionRandom& client_random) {
  ByteWriter message;
  message.U8(static_cast<uint8_t>(address.size())).Append(address);
  message.Append(conn_id.view()).Append(ByteView(client_random));
  return crypto::HmacSha256Trunc128(secret.view(), message.bytes());
}

}  // namespace

wire::Mac CookieJar::Make(ByteView address, ConnId conn_id,
                          const wire::SessionRandom& client_random, MonoTime now) {
  Turn(now);
  return Cookie(current_, address, conn_id, client_random);
}

bool CookieJar::Check(const wire::Mac& cookie, ByteView address, ConnId conn_id,
                      const wire::SessionRandom& client_random, MonoTime now) {
  Turn(now);
  if (crypto::ConstantTimeEqual(cookie, Cookie(current_, address, conn_id, client_random))) {
    return true;
  }
  return previous_ &&
         crypto::ConstantTimeEqual(cookie, Cookie(*previous_, address, conn_id, client_random));
}

void CookieJar::Turn(MonoTime now) {
  if (turned_ && now - *turned_ < rotation_) return;
  // After two silent periods the previous secret is too old as well.
  const bool keep = turned_ && now - *turned_ < 2 * rotation_;
  previous_.reset();
  if (keep) previous_ = std::move(current_);
  current_ = Secret<32>(random_.Array<32>());
  turned_ = now;
}

}  // namespace p2p::session
