#include "tests/bench/stream_fleet.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/net/fd.h"

namespace p2p::bench {
namespace {

using SslPtr = std::unique_ptr<SSL, decltype(&SSL_free)>;

class Client {
 public:
  Client(uint16_t port, const StreamScript& script, SSL_CTX* tls);
  int fd() const { return socket_.get(); }
  void Say(const std::string& text);
  // What came; empty when there is nothing now.
  absl::string_view Hear(std::span<char> buffer);

  std::string start;  // What came until it was ready.
  bool ready = false;
  uint32_t round = 0;
  size_t received = 0;  // In this round.

 private:
  net::UniqueFd socket_;
  SslPtr ssl_{nullptr, SSL_free};
};

Client::Client(uint16_t port, const StreamScript& script, SSL_CTX* tls)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  P2P_CHECK(::connect(fd(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  if (script.tls) {
    ssl_.reset(SSL_new(tls));
    P2P_CHECK(SSL_set_fd(ssl_.get(), fd()) == 1 && SSL_connect(ssl_.get()) == 1);
  }
  Say(script.greeting);
  P2P_CHECK(::fcntl(fd(), F_SETFL, O_NONBLOCK) == 0);
}

void Client::Say(const std::string& text) {
  if (text.empty()) return;
  const auto size = static_cast<int>(text.size());
  // As little as is said here always fits the socket's buffer.
  const auto said = ssl_ ? SSL_write(ssl_.get(), text.data(), size)
                         : ::send(fd(), text.data(), text.size(), MSG_NOSIGNAL);
  P2P_CHECK(said == size);
}

absl::string_view Client::Hear(std::span<char> buffer) {
  const auto size = static_cast<int>(buffer.size());
  const auto n = ssl_ ? SSL_read(ssl_.get(), buffer.data(), size)
                      : ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  return {buffer.data(), n > 0 ? static_cast<size_t>(n) : 0};
}

SSL_CTX* TlsClients() {
  SSL_CTX* out = SSL_CTX_new(TLS_client_method());
  constexpr uint8_t kAlpn[] = {2, 'h', '2'};
  P2P_CHECK(SSL_CTX_set_min_proto_version(out, TLS1_3_VERSION) == 1);
  P2P_CHECK(SSL_CTX_set_alpn_protos(out, kAlpn, sizeof kAlpn) == 0);
  SSL_CTX_set_mode(out, SSL_MODE_RELEASE_BUFFERS);
  return out;
}

void Take(Client& client, const StreamScript& script, absl::string_view bytes, FanOutBoard& board) {
  if (!client.ready) {
    absl::StrAppend(&client.start, bytes);
    if (!absl::StrContains(client.start, script.ready_mark)) return;
    client.ready = true;
    client.Say(script.then);
    board.ready.fetch_add(1);
    return;
  }
  if (client.round != board.round) {
    client.round = board.round;
    client.received = 0;
  }
  const size_t before = client.received;
  client.received += bytes.size();
  const size_t whole = board.message_bytes;
  if (whole == 0 || before >= whole || client.received < whole) return;
  board.Arrive();
  client.Say(script.answer);
}

// A frame of HTTP/2 (RFC 9113, section 4.1).
std::string Frame(uint8_t type, uint8_t flags, uint8_t stream, const std::string& body) {
  std::string out{'\0',
                  static_cast<char>(body.size() >> 8),
                  static_cast<char>(body.size() & 0xFF),
                  static_cast<char>(type),
                  static_cast<char>(flags),
                  '\0',
                  '\0',
                  '\0',
                  static_cast<char>(stream)};
  return out + body;
}

// A header of HPACK, literal, without indexing (RFC 7541, section 6.2.2).
std::string Header(const std::string& name, const std::string& value) {
  return absl::StrCat(std::string(1, '\0'), std::string(1, static_cast<char>(name.size())), name,
                      std::string(1, static_cast<char>(value.size())), value);
}

}  // namespace

void RunStreamFleet(size_t size, const StreamScript& script, FanOutBoard& board) {
  const net::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  SSL_CTX* tls = script.tls ? TlsClients() : nullptr;
  std::vector<std::unique_ptr<Client>> clients;
  std::array<epoll_event, 512> events;
  std::array<char, 65536> bytes;
  while (!board.stop) {
    const bool more = clients.size() < size;
    if (more) {
      clients.push_back(std::make_unique<Client>(board.port, script, tls));
      epoll_event event{.events = EPOLLIN, .data = {.ptr = clients.back().get()}};
      P2P_CHECK(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, clients.back()->fd(), &event) == 0);
    }
    const int n = ::epoll_wait(epoll.get(), events.data(), events.size(), more ? 0 : 20);
    for (int i = 0; i < n; ++i) {
      auto& client = *static_cast<Client*>(events[static_cast<size_t>(i)].data.ptr);
      const auto heard = client.Hear(bytes);
      if (!heard.empty()) Take(client, script, heard, board);
    }
  }
  clients.clear();
  SSL_CTX_free(tls);
}

StreamScript NatsSubscriber() {
  return {.greeting = "CONNECT {\"verbose\":false}\r\nSUB x 1\r\nPING\r\n",
          .ready_mark = "PONG\r\n",
          .then = {},
          .answer = {}};
}

StreamScript GrpcStream() {
  const std::string headers =
      absl::StrCat(Header(":method", "POST"), Header(":scheme", "https"),
                   Header(":path", "/bench/Push"), Header(":authority", "localhost"),
                   Header("content-type", "application/grpc"), Header("te", "trailers"));
  constexpr uint8_t kHeaders = 1, kSettings = 4, kEndHeaders = 4, kAck = 1, kData = 0;
  const std::string acknowledgement(16, 'a');
  const std::string prefix{'\0', '\0', '\0', '\0', static_cast<char>(acknowledgement.size())};
  return {.greeting = absl::StrCat("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Frame(kSettings, 0, 0, ""),
                                   Frame(kHeaders, kEndHeaders, 1, headers)),
          .ready_mark = {},
          .then = Frame(kSettings, kAck, 0, ""),
          .answer = Frame(kData, 0, 1, prefix + acknowledgement),
          .tls = true};
}

}  // namespace p2p::bench
