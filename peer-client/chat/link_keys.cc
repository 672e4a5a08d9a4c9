#include "peer-client/chat/link_keys.h"

#include <algorithm>

namespace p2p::client {

LinkSecret DeriveLink(const wire::Introduction& introduction) {
  ByteWriter ikm;
  ikm.Append(introduction.requester.nonce).Append(introduction.target.nonce);
  ByteWriter info;
  info.Append(wire::kLinkInfo)
      .Append(introduction.requester.device_key)
      .Append(introduction.target.device_key);
  return crypto::HkdfSha256<wire::kLinkSize>(ikm.bytes(), introduction.id.view(), info.bytes());
}

KnockKey DeriveKnockKey(const LinkSecret& link) {
  return crypto::HkdfSha256<32>(link.view(), {}, AsBytes(wire::kKnockKeyInfo));
}

KnockBytes MakeKnock(const KnockKey& key, const RequestId& intro_id, LinkRole dialler,
                     const KnockRandom& random) {
  ByteWriter covered;
  covered.Append(wire::kKnockInfo)
      .Append(intro_id.view())
      .U8(static_cast<uint8_t>(dialler))
      .Append(random);
  const auto mac = crypto::HmacSha256Trunc128(key.view(), covered.bytes());
  static_assert(std::tuple_size_v<decltype(mac)> == wire::kKnockMacSize);
  KnockBytes out;
  std::copy(mac.begin(), mac.end(), std::copy(random.begin(), random.end(), out.begin()));
  return out;
}

bool KnockMatches(const KnockKey& key, const RequestId& intro_id, LinkRole dialler,
                  const KnockBytes& knock) {
  KnockRandom random;
  std::copy_n(knock.begin(), random.size(), random.begin());
  return crypto::ConstantTimeEqual(MakeKnock(key, intro_id, dialler, random), knock);
}

crypto::Digest256 HelloMac(ByteView link, ByteView exporter, LinkRole role) {
  ByteWriter covered;
  covered.Append(wire::kHelloInfo).Append(exporter).U8(static_cast<uint8_t>(role));
  return crypto::HmacSha256(link, covered.bytes());
}

}  // namespace p2p::client
