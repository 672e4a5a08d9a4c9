#include "common/crypto/hash.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/sha.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/crypto/openssl_ptr.h"

namespace p2p::crypto {
namespace {

// Looked up once: finding an algorithm by its name takes longer than hashing a short record.
const EVP_MD* Fetched(const char* name) {
  const EVP_MD* md = EVP_MD_fetch(nullptr, name, nullptr);
  P2P_CHECK(md != nullptr);
  return md;
}
const EVP_MD* Md256() {
  static const EVP_MD* const md = Fetched("SHA256");
  return md;
}
const EVP_MD* Md512() {
  static const EVP_MD* const md = Fetched("SHA512");
  return md;
}

}  // namespace

absl::Status OpensslError(absl::string_view what) {
  std::string text(what);
  while (const unsigned long code = ERR_get_error()) {
    char line[256];
    ERR_error_string_n(code, line, sizeof line);
    absl::StrAppend(&text, ": ", line);
  }
  return absl::InternalError(text);
}

struct Sha256Stream::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Digest256 Sha256(ByteView data) { return Sha256(data, {}); }

Digest256 Sha256(ByteView first, ByteView second) {
  // Making a context takes longer than hashing a short record.
  thread_local Sha256Stream::State state;
  Digest256 out;
  P2P_CHECK(EVP_DigestInit_ex(state.context, Md256(), nullptr) == 1 &&
            EVP_DigestUpdate(state.context, first.data(), first.size()) == 1 &&
            EVP_DigestUpdate(state.context, second.data(), second.size()) == 1 &&
            EVP_DigestFinal_ex(state.context, out.data(), nullptr) == 1);
  return out;
}

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  P2P_CHECK(EVP_DigestInit_ex(state_->context, Md256(), nullptr) == 1);
}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::Update(ByteView data) {
  P2P_CHECK(EVP_DigestUpdate(state_->context, data.data(), data.size()) == 1);
}

Digest256 Sha256Stream::Digest() const {
  State copy;
  Digest256 out;
  P2P_CHECK(EVP_MD_CTX_copy_ex(copy.context, state_->context) == 1);
  P2P_CHECK(EVP_DigestFinal_ex(copy.context, out.data(), nullptr) == 1);
  return out;
}

Digest512 Sha512(ByteView data) {
  Digest512 out;
  P2P_CHECK(EVP_Digest(data.data(), data.size(), out.data(), nullptr, Md512(), nullptr) == 1);
  return out;
}

Digest256 HmacSha256(ByteView key, ByteView data) {
  Digest256 out;
  unsigned int n = 0;
  // HMAC() refuses a null key pointer even for an empty key.
  static const uint8_t kEmpty = 0;
  const uint8_t* k = key.empty() ? &kEmpty : key.data();
  P2P_CHECK(HMAC(Md256(), k, static_cast<int>(key.size()), data.data(), data.size(), out.data(),
                 &n) != nullptr);
  return out;
}

Mac128 HmacSha256Trunc128(ByteView key, ByteView data) {
  const Digest256 full = HmacSha256(key, data);
  Mac128 out;
  std::copy_n(full.begin(), out.size(), out.begin());
  return out;
}

void HkdfSha256(ByteView ikm, ByteView salt, ByteView info, std::span<uint8_t> out) {
  // RFC 5869: PRK = HMAC(salt, IKM); T(i) = HMAC(PRK, T(i-1) | info | i).
  P2P_CHECK(out.size() <= 255 * 32);
  Digest256 prk = HmacSha256(salt, ikm);
  Bytes block;
  Digest256 t{};
  size_t done = 0;
  for (uint8_t i = 1; done < out.size(); ++i) {
    block.clear();
    if (i > 1) block.insert(block.end(), t.begin(), t.end());
    block.insert(block.end(), info.begin(), info.end());
    block.push_back(i);
    t = HmacSha256(prk, block);
    const size_t n = std::min(t.size(), out.size() - done);
    std::copy_n(t.begin(), n, out.begin() + static_cast<ptrdiff_t>(done));
    done += n;
  }
  Wipe(prk.data(), prk.size());
  Wipe(t.data(), t.size());
  Wipe(block.data(), block.size());
}

bool ConstantTimeEqual(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace p2p::crypto
