#include "common/crypto/inbound_probe.h"

#include <algorithm>

#include "absl/strings/string_view.h"
#include "common/base/bytes.h"

namespace p2p::crypto {
namespace {

constexpr absl::string_view kProbe = "p2p-probe v1";
constexpr absl::string_view kAnswer = "p2p-probe-answer v1";

Mac128 Mac(const InboundChallenge& challenge, absl::string_view what, ByteView data) {
  ByteWriter covered;
  covered.Append(what).Append(data);
  return HmacSha256Trunc128(challenge, covered.bytes());
}

}  // namespace

InboundProbe MakeInboundProbe(const InboundChallenge& challenge, const InboundRandom& random) {
  const Mac128 mac = Mac(challenge, kProbe, random);
  InboundProbe out;
  std::copy(mac.begin(), mac.end(), std::copy(random.begin(), random.end(), out.begin()));
  return out;
}

bool InboundProbeMatches(const InboundChallenge& challenge, const InboundProbe& probe) {
  InboundRandom random;
  std::copy_n(probe.begin(), random.size(), random.begin());
  return ConstantTimeEqual(MakeInboundProbe(challenge, random), probe);
}

Mac128 InboundAnswer(const InboundChallenge& challenge, const InboundProbe& probe) {
  return Mac(challenge, kAnswer, probe);
}

}  // namespace p2p::crypto
