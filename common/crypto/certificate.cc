#include "common/crypto/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/crypto/openssl_ptr.h"
#include "common/crypto/os_random.h"

namespace p2p::crypto {
namespace {

constexpr int64_t kTenYearsS = int64_t{10} * 365 * 24 * 3600;
constexpr int64_t kBackdateS = 24 * 3600;  // For clients whose clock is behind.

std::string DrainBio(BIO* bio) {
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(n));
}

absl::Status AddExtension(X509* cert, int nid, const std::string& value) {
  X509V3_CTX ctx;
  X509V3_set_ctx_nodb(&ctx);
  X509V3_set_ctx(&ctx, cert, cert, nullptr, nullptr, 0);
  using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
  const ExtensionPtr ext(X509V3_EXT_conf_nid(nullptr, &ctx, nid, value.c_str()));
  if (ext == nullptr || X509_add_ext(cert, ext.get(), -1) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(absl::StrCat("certificate extension refused: ", value));
  }
  return absl::OkStatus();
}

// A version 3 certificate with a random serial number, subject = issuer = CN, and `key`.
absl::StatusOr<X509Ptr> NewCertificate(EVP_PKEY* key, const char* common_name, int64_t not_before_s,
                                       int64_t not_after_s) {
  X509Ptr cert(X509_new());
  const auto serial = OsRandom().Array<16>();
  using BignumPtr = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
  const BignumPtr number(BN_bin2bn(serial.data(), 15, nullptr));
  X509_NAME* name = X509_get_subject_name(cert.get());
  const bool ok = X509_set_version(cert.get(), X509_VERSION_3) == 1 &&
                  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(cert.get())) != nullptr &&
                  ASN1_TIME_set(X509_getm_notBefore(cert.get()), not_before_s) != nullptr &&
                  ASN1_TIME_set(X509_getm_notAfter(cert.get()), not_after_s) != nullptr &&
                  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                             reinterpret_cast<const unsigned char*>(common_name),
                                             -1, -1, 0) == 1 &&
                  X509_set_issuer_name(cert.get(), name) == 1 &&
                  X509_set_pubkey(cert.get(), key) == 1;
  if (!ok) return OpensslError("making a certificate");
  return cert;
}

absl::StatusOr<PemPair> SignAndPrint(X509* cert, EVP_PKEY* key, const EVP_MD* digest) {
  if (X509_sign(cert, key, digest) == 0) return OpensslError("signing a certificate");
  const BioPtr cert_bio(BIO_new(BIO_s_mem()));
  const BioPtr key_bio(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509(cert_bio.get(), cert) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return OpensslError("printing a certificate");
  }
  return PemPair{DrainBio(cert_bio.get()), DrainBio(key_bio.get())};
}

X509Ptr ReadCertificate(absl::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  X509Ptr cert(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return cert;
}

}  // namespace

absl::StatusOr<PemPair> MakeServerCertificate(const std::vector<std::string>& dns_names,
                                              const std::vector<std::string>& ip_addresses,
                                              WallTime now) {
  const PkeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpensslError("making a P-256 key");
  const int64_t now_s = ToMs(now) / 1000;
  P2P_ASSIGN_OR_RETURN(const X509Ptr cert, NewCertificate(key.get(), "PeerToPeer Broadcast server",
                                                          now_s - kBackdateS, now_s + kTenYearsS));
  std::vector<std::string> names;
  for (const auto& dns : dns_names) names.push_back(absl::StrCat("DNS:", dns));
  for (const auto& ip : ip_addresses) names.push_back(absl::StrCat("IP:", ip));
  if (!names.empty()) {
    P2P_RETURN_IF_ERROR(AddExtension(cert.get(), NID_subject_alt_name, absl::StrJoin(names, ",")));
  }
  P2P_RETURN_IF_ERROR(AddExtension(cert.get(), NID_basic_constraints, "critical,CA:TRUE"));
  return SignAndPrint(cert.get(), key.get(), EVP_sha256());
}

absl::StatusOr<PemPair> MakeDeviceCertificate(const SigningKey& signing_key) {
  const ByteView seed = signing_key.seed().view();
  const PkeyPtr key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  if (key == nullptr) return OpensslError("loading the device key");
  // Peers compare keys, not dates: 1970 to 9999 (RFC 5280 §4.1.2.5: no well-defined expiration).
  constexpr int64_t kEndOfTime = 253402300799;
  P2P_ASSIGN_OR_RETURN(const X509Ptr cert, NewCertificate(key.get(), "p2p device", 0, kEndOfTime));
  return SignAndPrint(cert.get(), key.get(), nullptr);
}

absl::StatusOr<Digest256> SpkiDigest(absl::string_view pem) {
  const X509Ptr cert = ReadCertificate(pem);
  if (cert == nullptr) return absl::InvalidArgumentError("not a PEM certificate");
  unsigned char* der = nullptr;
  const int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert.get()), &der);
  if (n <= 0) return OpensslError("reading the public key");
  const Digest256 digest = Sha256({der, static_cast<size_t>(n)});
  OPENSSL_free(der);
  return digest;
}

std::string FingerprintText(const Digest256& digest) {
  return absl::StrCat("SHA256:", Base64EncodeUnpadded(digest));
}

absl::Status CheckKeyMatches(const PemPair& pair) {
  const X509Ptr cert = ReadCertificate(pair.certificate);
  if (cert == nullptr) return absl::InvalidArgumentError("not a PEM certificate");
  const BioPtr bio(
      BIO_new_mem_buf(pair.private_key.data(), static_cast<int>(pair.private_key.size())));
  const PkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr) return absl::InvalidArgumentError("not a PEM private key");
  const bool match = X509_check_private_key(cert.get(), key.get()) == 1;
  ERR_clear_error();
  if (!match)
    return absl::InvalidArgumentError("the private key does not belong to the certificate");
  return absl::OkStatus();
}

}  // namespace p2p::crypto
