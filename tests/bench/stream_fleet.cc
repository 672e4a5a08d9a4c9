#include "tests/bench/stream_fleet.h"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/net/fd.h"

namespace p2p::bench {
namespace {

struct Client {
  net::UniqueFd socket;
  std::string start;  // What came until it was ready.
  bool ready = false;
  uint32_t round = 0;
  size_t received = 0;  // In this round.
};

void Say(const Client& client, const std::string& text) {
  P2P_CHECK(::send(client.socket.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
}

Client Connect(uint16_t port, const StreamScript& script) {
  Client out;
  out.socket = net::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  P2P_CHECK(::connect(out.socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  Say(out, script.greeting);
  return out;
}

void Take(Client& client, const StreamScript& script, absl::string_view bytes, FanOutBoard& board) {
  if (!client.ready) {
    absl::StrAppend(&client.start, bytes);
    if (!absl::StrContains(client.start, script.ready_mark)) return;
    client.ready = true;
    if (!script.then.empty()) Say(client, script.then);
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
  if (whole > 0 && before < whole && client.received >= whole) board.Arrive();
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
  std::vector<Client> clients;
  clients.reserve(size);
  std::array<epoll_event, 512> events;
  std::array<char, 65536> bytes;
  while (!board.stop) {
    const bool more = clients.size() < size;
    if (more) {
      clients.push_back(Connect(board.port, script));
      epoll_event event{.events = EPOLLIN, .data = {.u64 = clients.size() - 1}};
      P2P_CHECK(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, clients.back().socket.get(), &event) == 0);
    }
    const int n = ::epoll_wait(epoll.get(), events.data(), events.size(), more ? 0 : 20);
    for (int i = 0; i < n; ++i) {
      Client& client = clients[events[static_cast<size_t>(i)].data.u64];
      const ssize_t got = ::recv(client.socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      P2P_CHECK(got > 0 || board.stop);
      if (got > 0) Take(client, script, {bytes.data(), static_cast<size_t>(got)}, board);
    }
  }
}

StreamScript NatsSubscriber() {
  return {.greeting = "CONNECT {\"verbose\":false}\r\nSUB x 1\r\nPING\r\n",
          .ready_mark = "PONG\r\n",
          .then = {}};
}

StreamScript GrpcStream() {
  const std::string headers =
      absl::StrCat(Header(":method", "POST"), Header(":scheme", "http"),
                   Header(":path", "/bench/Push"), Header(":authority", "localhost"),
                   Header("content-type", "application/grpc"), Header("te", "trailers"));
  constexpr uint8_t kHeaders = 1, kSettings = 4, kEndHeaders = 4, kAck = 1;
  return {.greeting = absl::StrCat("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Frame(kSettings, 0, 0, ""),
                                   Frame(kHeaders, kEndHeaders, 1, headers)),
          .ready_mark = {},
          .then = Frame(kSettings, kAck, 0, "")};
}

}  // namespace p2p::bench
