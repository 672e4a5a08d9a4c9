#include "peer-client/chat/safety_number.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "common/base/bytes.h"
#include "common/crypto/hash.h"

namespace p2p::client {
namespace {

constexpr uint16_t kVersion = 0;
constexpr int kRounds = 5200;
constexpr size_t kGroups = 6;  // Of five digits, each made of five bytes.

std::string Half(const SafetySide& side) {
  ByteWriter first;
  first.U16(kVersion).Append(side.key).Append(side.uid.view());
  crypto::Digest512 hash = crypto::Sha512(first.Release());
  for (int round = 1; round < kRounds; ++round) {
    ByteWriter next;
    next.Append(hash).Append(side.key);
    hash = crypto::Sha512(next.Release());
  }
  std::string digits;
  for (size_t group = 0; group < kGroups; ++group) {
    uint64_t value = 0;
    for (size_t i = 0; i < 5; ++i) value = value << 8 | hash[group * 5 + i];
    absl::StrAppendFormat(&digits, "%05d", value % 100'000);
  }
  return digits;
}

}  // namespace

std::string SafetyNumber(const SafetySide& one, const SafetySide& other) {
  std::string a = Half(one);
  std::string b = Half(other);
  if (b < a) a.swap(b);
  return a + b;
}

}  // namespace p2p::client
