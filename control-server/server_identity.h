// By what clients recognise this server: its certificate and its signing keys, kept as files of
// mode 0600 in the data directory and made at the first start.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/crypto/certificate.h"
#include "common/crypto/sign.h"

namespace p2p::server {

struct ServerIdentity {
  crypto::PemPair certificate;
  std::string fingerprint;       // "SHA256:…" of the certificate's public key.
  crypto::Digest256 key_digest;  // The same in bytes.
  crypto::SigningKey introducer;
  crypto::SigningKey broadcaster;
};

struct IdentityOptions {
  std::string data_dir;  // Exists.
  std::string tls_cert;  // With tls_key: use these instead of making one.
  std::string tls_key;
  std::vector<std::string> tls_names;
};

// Blocks on the disk. Never replaces a file that it cannot read or understand: a lost key means
// that every client has to be told to trust a new one.
absl::StatusOr<ServerIdentity> LoadOrMakeIdentity(const IdentityOptions& options,
                                                  const Clock& clock);

}  // namespace p2p::server
