// The client's data directory: one running client at a time, one device key, and what is known
// about each server.
//
//   lock                       held while a client runs
//   device.key                 32-byte Ed25519 seed, hex
//   known_servers              lines "HOST:PORT FINGERPRINT ACCOUNT|-", the last used first
//   servers/<key digest>/session.json            the last account, its tokens while they may be
//   valid servers/<key digest>/accounts/<user id>/     conversations and broadcasts of an account
//
// Everything is 0600 in 0700 directories and replaced atomically. Rim code: blocks on the disk.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/id.h"
#include "common/crypto/hash.h"
#include "common/crypto/sign.h"
#include "common/net/fd.h"
#include "peer-client/app/control_port.h"

namespace p2p::client {

struct KnownServer {
  std::string endpoint;     // "host:port", "[::1]:4400".
  std::string fingerprint;  // "SHA256:..."
  std::string account;      // Last account used there; may be empty.
};

// "host:port" with brackets around an IPv6 address.
std::string EndpointText(const std::string& host, uint16_t port);
// Inverse; nullopt unless both parts are there and the port is 1 to 65535.
std::optional<std::pair<std::string, uint16_t>> ParseEndpoint(absl::string_view endpoint);

// "SHA256:" and 43 characters of base64. nullopt otherwise.
std::optional<crypto::Digest256> ParseFingerprint(absl::string_view text);

class DataDirectory {
 public:
  // Makes what is missing, locks, and reads or makes the device key. AlreadyExists: another client
  // uses the directory; its process id is in the message.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(const std::string& path);

  const crypto::SigningKey& device_key() const { return device_key_; }

  // The last used first. A damaged file is DataLoss: the client must not forget a pin silently.
  absl::StatusOr<std::vector<KnownServer>> KnownServers() const;
  // Puts the entry first, in place of an older one for the same endpoint. At most 256 are kept.
  absl::Status Remember(const KnownServer& server);

  // Sessions of the server with this key. Saved without a token, the account stays known.
  absl::Status SaveSession(const std::string& fingerprint, const Session& session);
  absl::StatusOr<std::optional<Session>> LoadSession(const std::string& fingerprint) const;
  // Where the account's conversations and broadcasts live; made when absent.
  absl::StatusOr<std::string> AccountDirectory(const std::string& fingerprint,
                                               const Session& session) const;

 private:
  DataDirectory(std::string path, net::UniqueFd lock, crypto::SigningKey key)
      : path_(std::move(path)), lock_(std::move(lock)), device_key_(std::move(key)) {}
  absl::StatusOr<std::string> ServerDirectory(const std::string& fingerprint) const;

  const std::string path_;
  const net::UniqueFd lock_;
  const crypto::SigningKey device_key_;
};

}  // namespace p2p::client
