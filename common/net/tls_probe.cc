#include "common/net/tls_probe.h"

#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/crypto/certificate.h"
#include "common/crypto/openssl_ptr.h"
#include "common/net/address.h"
#include "common/net/fd.h"

namespace p2p::net {
namespace {

using SteadyClock = std::chrono::steady_clock;
using SslCtxPtr = std::unique_ptr<SSL_CTX, crypto::Deleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, crypto::Deleter<SSL_free>>;
using AddrInfoPtr = std::unique_ptr<addrinfo, crypto::Deleter<freeaddrinfo>>;

constexpr unsigned char kAlpnH2[] = {2, 'h', '2'};

// How long a probe may go on.
struct Limit {
  SteadyClock::time_point end;
  const std::atomic<bool>& cancelled;
};
constexpr int64_t kCancelPollMs = 100;

absl::Status WaitFor(int fd, short events, const Limit& limit) {
  while (true) {
    if (limit.cancelled) return absl::CancelledError("cancelled");
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(limit.end - SteadyClock::now()).count();
    if (left <= 0) return absl::DeadlineExceededError("no answer in time");
    pollfd p{fd, events, 0};
    const int n = ::poll(&p, 1, static_cast<int>(std::min<int64_t>(left, kCancelPollMs)));
    if (n > 0) return absl::OkStatus();
    if (n < 0 && errno != EINTR) return ErrnoError("poll", errno);
  }
}

absl::StatusOr<AddrInfoPtr> Resolve(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  if (IpAddress::Parse(host)) hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(absl::StrCat(host, ": ", gai_strerror(error)));
  return AddrInfoPtr(found);
}

absl::StatusOr<UniqueFd> ConnectOne(const addrinfo& address, const Limit& limit) {
  UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd.valid()) return ErrnoError("socket", errno);
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return fd;
  if (errno != EINPROGRESS) return ErrnoError("connecting", errno);
  P2P_RETURN_IF_ERROR(WaitFor(fd.get(), POLLOUT, limit));
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return ErrnoError("connecting", error);
  return fd;
}

absl::StatusOr<UniqueFd> ConnectAny(const addrinfo* addresses, const Limit& limit) {
  absl::Status last = absl::UnavailableError("no address");
  for (; addresses != nullptr; addresses = addresses->ai_next) {
    auto fd = ConnectOne(*addresses, limit);
    if (fd.ok()) return fd;
    last = fd.status();
  }
  return last;
}

absl::Status Handshake(SSL* ssl, int fd, const Limit& limit) {
  while (true) {
    ERR_clear_error();
    const int result = SSL_connect(ssl);
    if (result == 1) return absl::OkStatus();
    const int why = SSL_get_error(ssl, result);
    if (why == SSL_ERROR_WANT_READ) {
      P2P_RETURN_IF_ERROR(WaitFor(fd, POLLIN, limit));
    } else if (why == SSL_ERROR_WANT_WRITE) {
      P2P_RETURN_IF_ERROR(WaitFor(fd, POLLOUT, limit));
    } else {
      // Which of "reset" and "closed" it is depends on timing only.
      const bool closed = ERR_peek_error() == 0;
      ERR_clear_error();
      return absl::UnavailableError(closed ? "the connection was closed during the handshake"
                                           : "no TLS server there");
    }
  }
}

absl::StatusOr<crypto::Digest256> PeerKey(SSL* ssl) {
  const crypto::X509Ptr cert(SSL_get1_peer_certificate(ssl));
  if (cert == nullptr) return absl::UnavailableError("the server showed no certificate");
  const crypto::BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), cert.get()) != 1) {
    return crypto::OpensslError("reading the server's certificate");
  }
  char* data = nullptr;
  const long n = BIO_get_mem_data(bio.get(), &data);
  return crypto::SpkiDigest(absl::string_view(data, static_cast<size_t>(n)));
}

}  // namespace

absl::StatusOr<crypto::Digest256> ProbeTlsKey(const std::string& host, uint16_t port,
                                              Duration timeout,
                                              const std::atomic<bool>& cancelled) {
  P2P_ASSIGN_OR_RETURN(const AddrInfoPtr addresses, Resolve(host, port));
  const Limit limit{SteadyClock::now() + timeout, cancelled};
  P2P_ASSIGN_OR_RETURN(const UniqueFd fd, ConnectAny(addresses.get(), limit));
  const SslCtxPtr ctx(SSL_CTX_new(TLS_client_method()));
  if (ctx == nullptr || SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION) != 1) {
    return crypto::OpensslError("preparing TLS");
  }
  SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_NONE, nullptr);  // The caller judges the key.
  const SslPtr ssl(SSL_new(ctx.get()));
  if (ssl == nullptr || SSL_set_fd(ssl.get(), fd.get()) != 1 ||
      SSL_set_alpn_protos(ssl.get(), kAlpnH2, sizeof kAlpnH2) != 0) {
    return crypto::OpensslError("preparing TLS");
  }
  if (!IpAddress::Parse(host)) SSL_set_tlsext_host_name(ssl.get(), host.c_str());
  P2P_RETURN_IF_ERROR(Handshake(ssl.get(), fd.get(), limit));
  auto key = PeerKey(ssl.get());
  SSL_shutdown(ssl.get());
  ERR_clear_error();
  return key;
}

}  // namespace p2p::net
