// Short connections of every kind against a TLS server, in blocking calls: the crowd in which
// others must not be cut.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "common/net/address.h"
#include "common/net/fd.h"

namespace p2p::server {

enum class ChurnKind { kFin, kKicked, kReset, kNoTls, kCount };

// One connection of a client that speaks just enough: TCP, TLS with ALPN h2, HTTP/2 preface and
// SETTINGS.
class ChurnConnection {
 public:
  // Null when the connection could not be made.
  static std::unique_ptr<ChurnConnection> Open(const net::SocketAddress& server, SSL_CTX* tls);

  // As the server names it.
  const net::SocketAddress& own_address() const { return own_; }
  // Handshake, preface, SETTINGS, and the server's first bytes. False when cut before.
  bool SpeakHttp2(SSL_CTX* tls);
  // Sends what is no TLS and waits until the server closes.
  bool SpeakGarbage();
  // True when the server ended the connection within the receive timeout (5 s).
  bool WaitForEnd();
  // Makes close() send RST.
  void CloseWithReset();

 private:
  ChurnConnection(net::UniqueFd fd, net::SocketAddress own) : fd_(std::move(fd)), own_(own) {}
  struct SslFree {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  net::UniqueFd fd_;
  net::SocketAddress own_;
  std::unique_ptr<SSL, SslFree> ssl_;
};

struct SslCtxFree {
  void operator()(SSL_CTX* ctx) const { SSL_CTX_free(ctx); }
};
// A client context that accepts any certificate and asks for ALPN h2.
std::unique_ptr<SSL_CTX, SslCtxFree> MakeChurnContext();

}  // namespace p2p::server
