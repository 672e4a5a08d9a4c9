#include "tests/integration/tls_churn.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/memory/memory.h"

namespace p2p::server {
namespace {

// RFC 9113 §3.4, followed by an empty SETTINGS frame.
constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
constexpr int kPrefaceSize = sizeof kPreface - 1;

}  // namespace

std::unique_ptr<SSL_CTX, SslCtxFree> MakeChurnContext() {
  std::unique_ptr<SSL_CTX, SslCtxFree> ctx(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_NONE, nullptr);
  static constexpr unsigned char kAlpn[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(ctx.get(), kAlpn, sizeof kAlpn);
  return ctx;
}

std::unique_ptr<ChurnConnection> ChurnConnection::Open(const net::SocketAddress& server, SSL_CTX*) {
  sockaddr_storage storage{};
  socklen_t size = server.ToSockaddr(storage);
  net::UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval timeout{.tv_sec = 30, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) return nullptr;
  size = sizeof storage;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &size);
  return absl::WrapUnique(
      new ChurnConnection(std::move(fd), *net::SocketAddress::FromSockaddr(storage)));
}

bool ChurnConnection::SpeakHttp2(SSL_CTX* tls) {
  ERR_clear_error();
  ssl_.reset(SSL_new(tls));
  SSL_set_fd(ssl_.get(), fd_.get());
  char buffer[64];
  return SSL_connect(ssl_.get()) == 1 &&
         SSL_write(ssl_.get(), kPreface, kPrefaceSize) == kPrefaceSize &&
         SSL_read(ssl_.get(), buffer, sizeof buffer) > 0;
}

bool ChurnConnection::SpeakGarbage() {
  constexpr char kText[] = "GET / HTTP/1.0\r\n\r\n";
  return ::send(fd_.get(), kText, sizeof kText - 1, MSG_NOSIGNAL) > 0 && WaitForEnd();
}

bool ChurnConnection::WaitForEnd() {
  char buffer[4096];
  while (true) {
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n == 0) return true;
    if (n < 0) return errno == ECONNRESET;
  }
}

void ChurnConnection::CloseWithReset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace p2p::server
