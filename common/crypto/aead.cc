#include "common/crypto/aead.h"

#include <openssl/err.h>

#include "common/base/check.h"
#include "common/crypto/openssl_ptr.h"

namespace p2p::crypto {

struct Aead::Context {
  CipherCtxPtr ctx;
};

Aead::Aead(ByteView key, Use use) : context_(std::make_unique<Context>()) {
  P2P_CHECK(key.size() == kAeadKeySize);
  context_->ctx.reset(EVP_CIPHER_CTX_new());
  P2P_CHECK(EVP_CipherInit_ex(context_->ctx.get(), EVP_aes_128_gcm(), nullptr, key.data(), nullptr,
                              use == Use::kSeal ? 1 : 0) == 1);
}

Aead::~Aead() = default;
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;

void Aead::Seal(const AeadNonce& nonce, ByteView aad, ByteView plain, std::span<uint8_t> out) {
  P2P_CHECK(out.size() == plain.size() + kAeadTagSize);
  EVP_CIPHER_CTX* ctx = context_->ctx.get();
  int n = 0;
  P2P_CHECK(EVP_EncryptInit_ex(ctx, nullptr, nullptr, nullptr, nonce.data()) == 1);
  if (!aad.empty()) {
    P2P_CHECK(EVP_EncryptUpdate(ctx, nullptr, &n, aad.data(), static_cast<int>(aad.size())) == 1);
  }
  if (!plain.empty()) {
    P2P_CHECK(
        EVP_EncryptUpdate(ctx, out.data(), &n, plain.data(), static_cast<int>(plain.size())) == 1);
  }
  P2P_CHECK(EVP_EncryptFinal_ex(ctx, out.data() + plain.size(), &n) == 1);
  P2P_CHECK(
      EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, kAeadTagSize, out.data() + plain.size()) == 1);
}

bool Aead::Open(const AeadNonce& nonce, ByteView aad, ByteView sealed, std::span<uint8_t> out) {
  if (sealed.size() < kAeadTagSize) return false;
  P2P_CHECK(out.size() == sealed.size() - kAeadTagSize);
  const ByteView body = sealed.first(out.size());
  std::array<uint8_t, kAeadTagSize> tag;
  std::copy(sealed.end() - kAeadTagSize, sealed.end(), tag.begin());
  EVP_CIPHER_CTX* ctx = context_->ctx.get();
  int n = 0;
  P2P_CHECK(EVP_DecryptInit_ex(ctx, nullptr, nullptr, nullptr, nonce.data()) == 1);
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
