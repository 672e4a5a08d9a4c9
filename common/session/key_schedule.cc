#include "common/session/key_schedule.h"

#include <algorithm>

#include "common/crypto/hash.h"

namespace p2p::session {
namespace {

SealKey Expand(ByteView input, ByteView salt, ByteView info) {
  const auto okm =
      crypto::HkdfSha256<crypto::kAeadKeySize + crypto::kAeadNonceSize>(input, salt, info);
  SealKey out;
  const ByteView raw = okm.view();
  std::copy_n(raw.begin(), crypto::kAeadKeySize, out.key.mutable_view().begin());
  std::copy_n(raw.begin() + crypto::kAeadKeySize, crypto::kAeadNonceSize, out.iv.begin());
  return out;
}

Bytes BothRandoms(const wire::SessionRandom& client, const wire::SessionRandom& server) {
  return ByteWriter().Append(ByteView(client)).Append(ByteView(server)).Release();
}

Bytes RegisterInfo(Direction direction) {
  ByteWriter info;
  info.Append("p2p-register v1").U8(static_cast<uint8_t>(direction));
  return info.Release();
}

}  // namespace

Secret<32> DeriveRegisterMacKey(const Secret<32>& psk) {
  return crypto::HkdfSha256<32>(psk.view(), {}, AsBytes("mac1"));
}

Secret<32> DeriveChallengeMacKey(const Secret<32>& psk) {
  return crypto::HkdfSha256<32>(psk.view(), {}, AsBytes("mac2"));
}

SealKey DeriveRegisterKey(const Secret<32>& psk, const wire::SessionRandom& client_random) {
  return Expand(psk.view(), client_random, RegisterInfo(Direction::kToRelay));
}

SealKey DeriveRegisteredKey(const Secret<32>& psk, const wire::SessionRandom& client_random,
                            const wire::SessionRandom& server_random) {
  return Expand(psk.view(), BothRandoms(client_random, server_random),
                RegisterInfo(Direction::kToClient));
}

SealKey DeriveSessionKey(const Secret<32>& psk, const wire::SessionRandom& client_random,
                         const wire::SessionRandom& server_random, ConnId conn_id,
                         Direction direction, uint32_t epoch) {
  ByteWriter info;
  info.Append("p2p-relay v1").Append(conn_id.view()).U8(static_cast<uint8_t>(direction));
  info.U32(epoch);
  return Expand(psk.view(), BothRandoms(client_random, server_random), info.bytes());
}

SealKey DeriveNextKey(const SealKey& key, ConnId conn_id, uint32_t next_epoch) {
  Secret<crypto::kAeadKeySize + crypto::kAeadNonceSize> input;
  const auto raw = input.mutable_view();
  std::copy_n(key.key.view().begin(), crypto::kAeadKeySize, raw.begin());
  std::copy_n(key.iv.begin(), crypto::kAeadNonceSize, raw.begin() + crypto::kAeadKeySize);
  ByteWriter info;
  info.Append("p2p-relay next").Append(conn_id.view()).U32(next_epoch);
  return Expand(input.view(), {}, info.bytes());
}

crypto::AeadNonce MakeNonce(const crypto::AeadNonce& iv, uint64_t packet_no) {
  crypto::AeadNonce nonce = iv;
  for (size_t i = 0; i < 8; ++i) {
    nonce[crypto::kAeadNonceSize - 1 - i] ^= static_cast<uint8_t>(packet_no >> (8 * i));
  }
  return nonce;
}

}  // namespace p2p::session
