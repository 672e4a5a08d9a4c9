#include <gtest/gtest.h>

#include "common/crypto/aead.h"
#include "common/crypto/certificate.h"
#include "common/crypto/hash.h"
#include "common/crypto/os_random.h"
#include "common/crypto/password.h"
#include "common/crypto/sign.h"

namespace p2p::crypto {
namespace {

TEST(HashTest, MatchesPublishedVectors) {
  EXPECT_EQ(HexEncode(Sha256(AsBytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231, test case 2.
  EXPECT_EQ(HexEncode(HmacSha256(AsBytes("Jefe"), AsBytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(HkdfTest, MatchesRfc5869) {
  const Bytes ikm(22, 0x0b);
  Bytes out(42);
  HkdfSha256(ikm, *HexDecode("000102030405060708090a0b0c"), *HexDecode("f0f1f2f3f4f5f6f7f8f9"),
             out);
  EXPECT_EQ(HexEncode(out),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  HkdfSha256(ikm, {}, {}, out);  // A.3: no salt, no info.
  EXPECT_EQ(HexEncode(out),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(AeadTest, OpensWhatItSealedAndNothingElse) {
  const AeadKey key({7, 7, 7});
  Aead seal(Aead::Use::kSeal);
  Aead open(Aead::Use::kOpen);
  const AeadNonce nonce{1, 2, 3};
  const Bytes plain = ToBytes(AsBytes("hello"));
  Bytes sealed(plain.size() + kAeadTagSize);
  seal.Seal(key, nonce, AsBytes("header"), plain, sealed);
  Bytes opened(plain.size());
  EXPECT_TRUE(open.Open(key, nonce, AsBytes("header"), sealed, opened));
  EXPECT_EQ(opened, plain);
  EXPECT_FALSE(open.Open(key, nonce, AsBytes("Header"), sealed, opened));
  for (size_t i = 0; i < sealed.size(); ++i) {
    Bytes bad = sealed;
    bad[i] ^= 1;
    EXPECT_FALSE(open.Open(key, nonce, AsBytes("header"), bad, opened)) << i;
  }
  EXPECT_FALSE(open.Open(key, nonce, {}, Bytes(3), {}));
}

TEST(AeadTest, AnyKeyInTurn) {
  Aead seal(Aead::Use::kSeal);
  Aead open(Aead::Use::kOpen);
  const AeadKey one({1}), other({2});
  const Bytes plain(100, 7);
  for (uint8_t i = 0; i < 6; ++i) {
    const AeadKey& key = i % 3 == 0 ? one : other;  // The same again, and another.
    const AeadKey& wrong = i % 3 == 0 ? other : one;
    Bytes sealed(plain.size() + kAeadTagSize), opened(plain.size());
    seal.Seal(key, {i}, {}, plain, sealed);
    EXPECT_TRUE(open.Open(key, {i}, {}, sealed, opened)) << int{i};
    EXPECT_EQ(opened, plain);
    EXPECT_FALSE(open.Open(wrong, {i}, {}, sealed, opened)) << int{i};
    Bytes by_itself(sealed.size());
    Aead(Aead::Use::kSeal).Seal(key, {i}, {}, plain, by_itself);
    EXPECT_EQ(sealed, by_itself);
  }
}

TEST(SignTest, MatchesRfc8032AndRefusesChanges) {
  Secret<32> seed;
  const auto raw = *HexDecode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
  std::copy(raw.begin(), raw.end(), seed.mutable_view().begin());
  const SigningKey key = SigningKey::FromSeed(seed);
  EXPECT_EQ(HexEncode(key.public_key()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const Bytes message = {0x72};
  const Signature signature = key.Sign(message);
  EXPECT_EQ(HexEncode(signature).substr(0, 32), "92a009a9f0d4cab8720e820b5f642540");
  EXPECT_TRUE(VerifySignature(key.public_key(), message, signature));
  EXPECT_FALSE(VerifySignature(key.public_key(), Bytes{0x73}, signature));
  EXPECT_FALSE(VerifySignature(key.public_key(), message, ByteView(signature).first(63)));
  EXPECT_FALSE(VerifySignature(Bytes(32, 0xff), message, signature));
}

TEST(PasswordTest, VerifiesAndBoundsParameters) {
  OsRandom random;
  const std::string phc = HashPassword("correct horse", random);
  EXPECT_EQ(phc.rfind("$argon2id$v=19$m=19456,t=2,p=1$", 0), 0u);
  EXPECT_TRUE(CheckPhc(phc).ok());
  EXPECT_TRUE(VerifyPassword("correct horse", phc));
  EXPECT_FALSE(VerifyPassword("correct horsf", phc));
  EXPECT_FALSE(
      CheckPhc("$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g")
          .ok());
  EXPECT_FALSE(
      CheckPhc("$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2g").ok());
  EXPECT_FALSE(VerifyPassword("x", "plain text"));
}

TEST(CertificateTest, MakesServerAndDeviceCertificates) {
  const auto server =
      MakeServerCertificate({"localhost"}, {"127.0.0.1", "::1"}, WallFromMs(1'772'366'400'000));
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(CheckKeyMatches(*server).ok());
  const auto digest = SpkiDigest(server->certificate);
  ASSERT_TRUE(digest.ok());
  EXPECT_EQ(FingerprintText(*digest).size(), 7u + 43u);
  const auto device = MakeDeviceCertificate(SigningKey::Generate());
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_FALSE(CheckKeyMatches({server->certificate, device->private_key}).ok());
  EXPECT_FALSE(MakeServerCertificate({}, {"not an address"}, WallFromMs(0)).ok());
  EXPECT_FALSE(SpkiDigest("nonsense").ok());
}

}  // namespace
}  // namespace p2p::crypto
