// Self-signed X.509 certificates and key fingerprints.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/time.h"
#include "common/crypto/hash.h"
#include "common/crypto/sign.h"

namespace p2p::crypto {

struct PemPair {
  std::string certificate;
  std::string private_key;  // PKCS#8. Secret: only into 0600 files and TLS objects.
};

// P-256 server certificate valid for 10 years from `now`. `dns_names` and `ip_addresses` become
// subjectAltNames; malformed ones are InvalidArgument.
absl::StatusOr<PemPair> MakeServerCertificate(const std::vector<std::string>& dns_names,
                                              const std::vector<std::string>& ip_addresses,
                                              WallTime now);

// Self-signed Ed25519 device certificate (peer link); its subject says nothing about the user.
// Valid always: peers compare keys.
absl::StatusOr<PemPair> MakeDeviceCertificate(const SigningKey& key);

// SHA-256 of the SubjectPublicKeyInfo of the first certificate in `pem`.
absl::StatusOr<Digest256> SpkiDigest(absl::string_view pem);

// "SHA256:" + unpadded base64.
std::string FingerprintText(const Digest256& digest);

// InvalidArgument unless the private key belongs to the certificate.
absl::Status CheckKeyMatches(const PemPair& pair);

}  // namespace p2p::crypto
