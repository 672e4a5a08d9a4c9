#include "common/crypto/aead.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include <optional>

#include "common/base/check.h"
#include "common/crypto/openssl_ptr.h"

namespace p2p::crypto {

struct Aead::Context {
  CipherCtxPtr ctx;
  std::optional<AeadKey> key;  // That the context is set to.
};

Aead::Aead(Use use) : context_(std::make_unique<Context>()) {
  context_->ctx.reset(EVP_CIPHER_CTX_new());
  P2P_CHECK(EVP_CipherInit_ex(context_->ctx.get(), EVP_aes_128_gcm(), nullptr, nullptr, nullptr,
                              use == Use::kSeal ? 1 : 0) == 1);
}

Aead::~Aead() = default;
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;

void Aead::Begin(const AeadKey& key, const AeadNonce& nonce) {
  auto& last = context_->key;
  const bool same =
      last && CRYPTO_memcmp(last->view().data(), key.view().data(), kAeadKeySize) == 0;
  // -1: to seal or to open, as it was made.
  P2P_CHECK(EVP_CipherInit_ex(context_->ctx.get(), nullptr, nullptr,
                              same ? nullptr : key.view().data(), nonce.data(), -1) == 1);
  if (!same) last = key.Clone();
}

void Aead::Seal(const AeadKey& key, const AeadNonce& nonce, ByteView aad, ByteView plain,
                std::span<uint8_t> out) {
  P2P_CHECK(out.size() == plain.size() + kAeadTagSize);
  EVP_CIPHER_CTX* ctx = context_->ctx.get();
  int n = 0;
  Begin(key, nonce);
  if (!aad.empty()) {
    P2P_CHECK(EVP_EncryptUpdate(ctx, nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1);
  }
  if (!plain.empty()) {
    P2P_CHECK(
        EVP_EncryptUpdate(ctx, out.data(), &n, plain.data(), static_cast<int>(plain.size())) == 1);
  }
  P2P_CHECK(EVP_EncryptFinal_ex(ctx, out.data() + plain.size(), &n) == 1);
  OSSL_PARAM tag[] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG,
                                                        out.data() + plain.size(), kAeadTagSize),
                      OSSL_PARAM_construct_end()};
  P2P_CHECK(EVP_CIPHER_CTX_get_params(ctx, tag) == 1);
}

bool Aead::Open(const AeadKey& key, const AeadNonce& nonce, ByteView aad, ByteView sealed,
                std::span<uint8_t> out) {
  if (sealed.size() < kAeadTagSize) return false;
  P2P_CHECK(out.size() == sealed.size() - kAeadTagSize);
  const ByteView body = sealed.first(out.size());
  std::array<uint8_t, kAeadTagSize> tag;
  std::copy(sealed.end() - kAeadTagSize, sealed.end(), tag.begin());
  EVP_CIPHER_CTX* ctx = context_->ctx.get();
  int n = 0;
  Begin(key, nonce);
  if (!aad.empty()) {
    P2P_CHECK(EVP_DecryptUpdate(ctx, nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1);
  }
  if (!body.empty()) {
    P2P_CHECK(EVP_DecryptUpdate(ctx, out.data(), &n, body.data(), static_cast<int>(body.size())) ==
              1);
  }
  P2P_CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, kAeadTagSize, tag.data()) == 1);
  uint8_t unused[16];
  const bool ok = EVP_DecryptFinal_ex(ctx, unused, &n) == 1;
  if (!ok) ERR_clear_error();
  return ok;
}

}  // namespace p2p::crypto
