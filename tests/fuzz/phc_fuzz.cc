// A PHC string that passes the check costs no more than the check promises.
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/check.h"
#include "common/crypto/password.h"

namespace {

// The number after `name` among "m=…,t=…,p=…".
uint32_t Parameter(absl::string_view parameters, absl::string_view name) {
  for (const absl::string_view part : absl::StrSplit(parameters, ',')) {
    uint32_t value = 0;
    if (absl::StartsWith(part, name)) {
      P2P_CHECK(absl::SimpleAtoi(part.substr(name.size()), &value));
      return value;
    }
  }
  P2P_CHECK(false);
  return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view in(reinterpret_cast<const char*>(data), size);
  if (!p2p::crypto::CheckPhc(in).ok()) {
    P2P_CHECK(!p2p::crypto::VerifyPassword("correct horse", std::string(in)));
    return 0;
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(in, '$');
  P2P_CHECK(parts.size() == 6 && parts[0].empty() && parts[1] == "argon2id");
  P2P_CHECK(Parameter(parts[3], "m=") <= 256 * 1024);
  P2P_CHECK(Parameter(parts[3], "t=") <= 10);
  P2P_CHECK(Parameter(parts[3], "p=") <= 4);
  return 0;
}
