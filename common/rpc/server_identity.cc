#include "common/rpc/server_identity.h"

#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crypto/certificate.h"
#include "common/net/address.h"

namespace p2p::rpc {
namespace {

namespace ge = grpc::experimental;

class PinVerifier final : public ge::ExternalCertificateVerifier {
 public:
  PinVerifier(std::string fingerprint, std::shared_ptr<SeenKey> seen)
      : fingerprint_(std::move(fingerprint)), seen_(std::move(seen)) {}

  // On a gRPC thread, at every handshake. True: decided at once.
  bool Verify(ge::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* status) override {
    const auto digest = crypto::SpkiDigest(
        absl::string_view(request->peer_cert().data(), request->peer_cert().size()));
    const std::string shown = digest.ok() ? crypto::FingerprintText(*digest) : "";
    const bool accepted = digest.ok() && shown == fingerprint_;
    seen_->Set(shown, accepted);
    *status = accepted ? grpc::Status::OK
                       : grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "another server key");
    return true;
  }
  void Cancel(ge::TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::string fingerprint_;
  const std::shared_ptr<SeenKey> seen_;
};

}  // namespace

void SeenKey::Set(std::string fingerprint, bool accepted) {
  const MutexLock lock(mu_);
  fingerprint_ = std::move(fingerprint);
  if (!accepted) refused_ = true;
}

std::string SeenKey::fingerprint() const {
  const MutexLock lock(mu_);
  return fingerprint_;
}

bool SeenKey::refused() const {
  const MutexLock lock(mu_);
  return refused_;
}

std::shared_ptr<grpc::ChannelCredentials> PinnedCredentials(const std::string& fingerprint,
                                                            std::shared_ptr<SeenKey> seen) {
  ge::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(
      ge::ExternalCertificateVerifier::Create<PinVerifier>(fingerprint, std::move(seen)));
  return ge::TlsCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> AuthorityCredentials(const std::string& ca_pem) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = ca_pem;
  return grpc::SslCredentials(options);
}

std::string GrpcTarget(const std::string& host, uint16_t port) {
  const auto ip = net::IpAddress::Parse(host);
  if (!ip) return absl::StrCat("dns:///", host, ":", port);
  return absl::StrCat(ip->is_v4() ? "ipv4:" : "ipv6:", net::SocketAddress{*ip, port}.ToString());
}

}  // namespace p2p::rpc
