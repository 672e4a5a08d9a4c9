#include "common/crypto/sign.h"

#include <openssl/err.h>

#include "common/base/check.h"
#include "common/crypto/openssl_ptr.h"
#include "common/crypto/os_random.h"

namespace p2p::crypto {
namespace {

PkeyPtr PrivateKey(const Secret<32>& seed) {
  PkeyPtr key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.view().data(),
                                           seed.view().size()));
  P2P_CHECK(key != nullptr);
  return key;
}

}  // namespace

SigningKey::SigningKey(Secret<32> seed, const PublicKey& public_key)
    : seed_(std::move(seed)), public_key_(public_key) {}

SigningKey SigningKey::Generate() {
  Secret<32> seed;
  OsRandom().Fill(seed.mutable_view());
  return FromSeed(seed);
}

SigningKey SigningKey::FromSeed(const Secret<32>& seed) {
  PublicKey raw;
  size_t n = raw.size();
  P2P_CHECK(EVP_PKEY_get_raw_public_key(PrivateKey(seed).get(), raw.data(), &n) == 1);
  return SigningKey(seed.Clone(), raw);
}

Signature SigningKey::Sign(ByteView message) const {
  Signature out;
  size_t n = out.size();
  const MdCtxPtr ctx(EVP_MD_CTX_new());
  const PkeyPtr key = PrivateKey(seed_);
  P2P_CHECK(EVP_DigestSignInit(ctx.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  P2P_CHECK(EVP_DigestSign(ctx.get(), out.data(), &n, message.data(), message.size()) == 1);
  return out;
}

bool VerifySignature(ByteView key, ByteView message, ByteView signature) {
  if (key.size() != PublicKey().size() || signature.size() != Signature().size()) return false;
  ERR_clear_error();
  const PkeyPtr pkey(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  const MdCtxPtr ctx(EVP_MD_CTX_new());
  const bool ok = pkey != nullptr &&
                  EVP_DigestVerifyInit(ctx.get(), nullptr, nullptr, nullptr, pkey.get()) == 1 &&
                  EVP_DigestVerify(ctx.get(), signature.data(), signature.size(), message.data(),
                                   message.size()) == 1;
  ERR_clear_error();
  return ok;
}

}  // namespace p2p::crypto
