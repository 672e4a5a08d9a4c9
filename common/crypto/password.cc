#include "common/crypto/password.h"

#include <argon2.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/check.h"

namespace p2p::crypto {
namespace {

constexpr uint32_t kMemoryKib = 19456;
constexpr uint32_t kPasses = 2;
constexpr uint32_t kLanes = 1;
constexpr size_t kSaltSize = 16;
constexpr size_t kHashSize = 32;

constexpr uint32_t kMaxMemoryKib = 256 * 1024;
constexpr uint32_t kMaxPasses = 10;
constexpr uint32_t kMaxLanes = 4;
constexpr size_t kMaxPhcSize = 256;

absl::Status CheckParameter(absl::string_view field, absl::string_view name, uint32_t min,
                            uint32_t max) {
  uint32_t value = 0;
  if (!absl::ConsumePrefix(&field, name) || !absl::SimpleAtoi(field, &value) || value < min ||
      value > max) {
    return absl::InvalidArgumentError(
        absl::StrCat("password hash: ", name, " must be ", min, " to ", max));
  }
  return absl::OkStatus();
}

}  // namespace

std::string HashPassword(absl::string_view password, Random& random) {
  const auto salt = random.Array<kSaltSize>();
  std::string out(argon2_encodedlen(kPasses, kMemoryKib, kLanes, kSaltSize, kHashSize, Argon2_id),
                  '\0');
  const int rc =
      argon2id_hash_encoded(kPasses, kMemoryKib, kLanes, password.data(), password.size(),
                            salt.data(), salt.size(), kHashSize, out.data(), out.size());
  P2P_CHECK(rc == ARGON2_OK);
  out.resize(out.find('\0'));
  return out;
}

absl::Status CheckPhc(absl::string_view phc) {
  if (phc.size() > kMaxPhcSize) return absl::InvalidArgumentError("password hash: too long");
  const std::vector<absl::string_view> parts = absl::StrSplit(phc, '$');
  if (parts.size() != 6 || !parts[0].empty() || parts[1] != "argon2id" || parts[2] != "v=19") {
    return absl::InvalidArgumentError(
        "password hash: must look like $argon2id$v=19$m=…,t=…,p=…$salt$hash");
  }
  const std::vector<absl::string_view> parameters = absl::StrSplit(parts[3], ',');
  if (parameters.size() != 3) return absl::InvalidArgumentError("password hash: needs m, t and p");
  P2P_RETURN_IF_ERROR(CheckParameter(parameters[0], "m=", 8, kMaxMemoryKib));
  P2P_RETURN_IF_ERROR(CheckParameter(parameters[1], "t=", 1, kMaxPasses));
  P2P_RETURN_IF_ERROR(CheckParameter(parameters[2], "p=", 1, kMaxLanes));
  // Unpadded base64 of 8 to 48 bytes of salt and 16 to 64 bytes of hash.
  if (parts[4].size() < 11 || parts[4].size() > 64 || parts[5].size() < 22 ||
      parts[5].size() > 86) {
    return absl::InvalidArgumentError("password hash: salt or hash has an odd length");
  }
  return absl::OkStatus();
}

bool VerifyPassword(absl::string_view password, const std::string& phc) {
  return CheckPhc(phc).ok() &&
         argon2id_verify(phc.c_str(), password.data(), password.size()) == ARGON2_OK;
}

void BurnPasswordHash(absl::string_view password) {
  const std::array<uint8_t, kSaltSize> salt{};
  std::array<uint8_t, kHashSize> out;
  P2P_CHECK(argon2id_hash_raw(kPasses, kMemoryKib, kLanes, password.data(), password.size(),
                              salt.data(), salt.size(), out.data(), out.size()) == ARGON2_OK);
}

}  // namespace p2p::crypto
