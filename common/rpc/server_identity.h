// How a connection proves that it leads to the right server, and what was seen when it did not.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"

namespace p2p::rpc {

// What the verifier of one channel saw. Thread-safe: gRPC's threads write, the owner reads.
class SeenKey {
 public:
  void Set(std::string fingerprint, bool accepted) ABSL_LOCKS_EXCLUDED(mu_);
  std::string fingerprint() const ABSL_LOCKS_EXCLUDED(mu_);
  bool refused() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  mutable Mutex mu_;
  std::string fingerprint_ ABSL_GUARDED_BY(mu_);
  bool refused_ ABSL_GUARDED_BY(mu_) = false;
};

// Accepts exactly the key with this fingerprint; names, dates and issuers do not matter. The
// handshake itself proves possession.
std::shared_ptr<grpc::ChannelCredentials> PinnedCredentials(const std::string& fingerprint,
                                                            std::shared_ptr<SeenKey> seen);

// Verifies by a certificate authority (PEM) and the host name.
std::shared_ptr<grpc::ChannelCredentials> AuthorityCredentials(const std::string& ca_pem);

// gRPC's name of host and port: an address is not looked up.
std::string GrpcTarget(const std::string& host, uint16_t port);

}  // namespace p2p::rpc
