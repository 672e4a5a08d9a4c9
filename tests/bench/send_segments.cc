// What joining datagrams for one client saves: the same full datagrams to the same sockets on
// loopback, one message each and joined (udp-relay/io/send_batch.h), in turns. Prints one JSON
// line.
#include <sys/resource.h>

#include <cstdio>

#include "common/base/check.h"
#include "udp-relay/io/relay_socket.h"
#include "udp-relay/io/send_batch.h"

namespace p2p::bench {
namespace {

constexpr size_t kClients = 200;
constexpr size_t kAtOnce = 10;  // What the pacer lets one client have.
constexpr int kRounds = 200;

double CpuMs() {
  rusage usage;
  P2P_CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
  const auto ms = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

// To each client, `kAtOnce` datagrams; returns how many messages that took.
size_t SendRound(int fd, const std::vector<net::SocketAddress>& clients, bool segments,
                 relay::Outbox& out, relay::SendBatch& batch) {
  size_t messages = 0;
  for (size_t next = 0; next < clients.size();) {
    while (next < clients.size() && out.size() + kAtOnce <= relay::SendBatch::kDatagrams) {
      for (size_t i = 0; i < kAtOnce; ++i) {
        (void)out.Begin();
        out.Commit(wire::kMaxDatagram, {.remote = clients[next], .local = {}});
      }
      ++next;
    }
    while (!out.empty()) {
      batch.Fill(out, {.v6 = false, .local = false, .segments = segments});
      const int sent = sendmmsg(fd, batch.headers(), batch.size(), 0);
      P2P_CHECK(sent > 0);
      messages += static_cast<size_t>(sent);
      out.DropFront(batch.Datagrams(static_cast<size_t>(sent)));
    }
  }
  return messages;
}

int Main() {
  const net::SocketAddress any{net::IpAddress::V4(0x7F000001), 0};
  auto sender = relay::OpenRelaySocket(any);
  P2P_CHECK(sender.ok());
  std::vector<net::UniqueFd> sockets;
  std::vector<net::SocketAddress> clients;
  for (size_t i = 0; i < kClients; ++i) {
    sockets.push_back(*relay::OpenRelaySocket(any));
    clients.push_back(*relay::BoundAddress(sockets.back().get()));
  }
  relay::Outbox out(relay::SendBatch::kDatagrams);
  auto batch = std::make_unique<relay::SendBatch>();
  double cpu[2] = {0, 0};
  size_t messages[2] = {0, 0};
  for (int round = 0; round < kRounds; ++round) {
    for (const bool segments : {false, true}) {
      const double before = CpuMs();
      messages[segments] += SendRound(sender->get(), clients, segments, out, *batch);
      cpu[segments] += CpuMs() - before;
      for (const net::UniqueFd& fd : sockets) {  // Nobody reads: buffers would fill up.
        uint8_t byte;
        while (recv(fd.get(), &byte, 1, MSG_DONTWAIT) >= 0) {
        }
      }
    }
  }
  constexpr double kDatagrams = double{kRounds} * kClients * kAtOnce;
  std::printf(
      "{\"datagrams\":%.0f,\"alone_us\":%.3f,\"joined_us\":%.3f,\"joined_to_alone\":%.3f,"
      "\"datagrams_per_message\":%.1f}\n",
      kDatagrams, cpu[0] * 1e3 / kDatagrams, cpu[1] * 1e3 / kDatagrams, cpu[1] / cpu[0],
      kDatagrams / static_cast<double>(messages[1]));
  return 0;
}

}  // namespace
}  // namespace p2p::bench

int main() { return p2p::bench::Main(); }
