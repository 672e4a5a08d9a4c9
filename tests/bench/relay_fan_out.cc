// relay_fan_out CLIENTS ROUNDS alone: one message of 200 bytes to many clients on real sockets,
// through the relay, through a bare sendmmsg loop to the same sockets, through gRPC streams and
// through nats-server, in turn. Receivers are processes of their own. Prints medians over the
// rounds as one JSON line; exit code 1 when a budget of design section 14 does not hold. With
// "alone", for profiles: the relay and the bare loop only.
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/bench/fan_out_board.h"
#include "tests/bench/grpc_push.h"
#include "tests/bench/relay_town.h"
#include "tests/bench/samples.h"
#include "tests/bench/stream_fleet.h"

extern char** environ;

namespace p2p::bench {
namespace {

using Json = nlohmann::json;
constexpr uint64_t kSeed = 7;
constexpr size_t kTextBytes = 200;
constexpr uint16_t kNatsPort = 4222;
constexpr Duration kPatience = 60s;

MonoTime Now() { return SystemClock().Mono(); }

template <class Condition>
bool Await(const Condition& condition) {
  for (const MonoTime end = Now() + kPatience; Now() < end; ::usleep(2000)) {
    if (condition()) return true;
  }
  return false;
}

// Of this process (RUSAGE_SELF) or of this thread.
Duration CpuTime(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto of = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

// The clock of a thread of this process, by its name.
clockid_t ThreadClock(const std::string& name) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string comm;
    if (!std::getline(file, comm) || comm != name) continue;
    const auto tid = static_cast<uint32_t>(std::stoul(task.path().filename()));
    return static_cast<clockid_t>(~tid << 3 | 6);  // As pthread_getcpuclockid makes it.
  }
  P2P_CHECK(false);
}
Duration Read(clockid_t clock) {
  timespec time{};
  P2P_CHECK(::clock_gettime(clock, &time) == 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// What the rounds of one way cost.
struct Way {
  Samples sent;  // Until the last datagram was out, first tries.
  Samples last;  // Until the last client had it.
  Samples cpu;   // Of the sender, with all acknowledgements.
  Json ToJson() {
    Json out{{"last_p50_ms", last.Percentile(0.5)}, {"last_p90_ms", last.Percentile(0.9)}};
    if (sent.size() > 0) out["sent_p50_ms"] = sent.Percentile(0.5);
    if (cpu.size() > 0) out["cpu_p50_ms"] = cpu.Percentile(0.5);
    return out;
  }
};

// Begins a round of `clients` arrivals.
void Begin(FanOutBoard& board, size_t clients) {
  board.last = MonoTime{};
  board.round.fetch_add(1);
  board.wanted = board.arrived + clients;
}
bool AllArrived(FanOutBoard& board) {
  return Await([&] { return board.arrived >= board.wanted; });
}

class Bench {
 public:
  Bench(size_t clients, bool alone)
      : clients_(clients),
        alone_(alone),
        relay_child_([clients](FanOutBoard& board) { ReceiveDatagrams(clients, board); }),
        grpc_child_([clients](FanOutBoard& b) { RunStreamFleet(clients, GrpcStream(), b); }),
        nats_child_([clients](FanOutBoard& b) { RunStreamFleet(clients, NatsSubscriber(), b); }) {}
  ~Bench() {
    // Before the servers end, so that nobody takes that for a failure.
    grpc_child_.board().stop = nats_child_.board().stop = true;
    if (nats_ > 0) {
      ::kill(nats_, SIGTERM);
      ::waitpid(nats_, nullptr, 0);
    }
  }

  void Start() {
    auto town = RelayTown::Start(relay::OptionsFromTiming({}));
    P2P_CHECK(town.ok());
    town_ = *std::move(town);
    town_->Admit(RelayFleet(clients_, kSeed, {}, {}));
    relay_child_.board().port = town_->address().port;
    P2P_CHECK(Await([&] { return town_->reachable() == clients_; }));
    relay_clock_ = ThreadClock("relay");
    if (!alone_) StartYardsticks();
    for (int i = 0; i < 2; ++i) Round();  // To warm up.
    bare_ = relay_ = grpc_ = nats_way_ = Way{};
  }

  void StartYardsticks() {
    push_ = std::make_unique<GrpcPush>();
    grpc_child_.board().port = push_->port();
    StartNats();
    P2P_CHECK(Await([&] {
      return push_->streams() == clients_ && grpc_child_.board().ready == clients_ &&
             nats_child_.board().ready == clients_;
    }));
  }

  void Round() {
    RoundOfBare();
    RoundOfRelay();
    if (alone_) return;
    RoundOfGrpc();
    RoundOfNats();
  }

  // True when every budget holds; when only whether it works is asked, the ratios decide nothing.
  bool Report(int rounds, bool works_only) {
    const double users = static_cast<double>(clients_);
    const double rate = bare_.sent.Percentile(0.5) / relay_.sent.Percentile(0.5);
    const double cpu = relay_.cpu.Percentile(0.5) / bare_.cpu.Percentile(0.5);
    const double push = grpc_.cpu.Percentile(0.5) / relay_.cpu.Percentile(0.5);
    const double last = relay_.last.Percentile(0.5) / nats_way_.last.Percentile(0.5);
    const double datagrams = static_cast<double>(fragments_) / users / rounds_;
    const bool fast = rate >= 0.8 && cpu <= 2 && push >= 8 && last < 1;
    const bool ok = complete_ && datagrams <= 1.05 && (fast || works_only);
    std::cout << Json{{"clients", clients_},
                      {"rounds", rounds},
                      {"datagram_bytes", datagram_bytes_},
                      {"bare", bare_.ToJson()},
                      {"relay", relay_.ToJson()},
                      {"grpc", grpc_.ToJson()},
                      {"nats", nats_way_.ToJson()},
                      {"first_transmissions_to_bare", rate},
                      {"cpu_to_bare", cpu},
                      {"grpc_cpu_to_relay", push},
                      {"last_to_nats", last},
                      {"datagrams_per_user", datagrams},
                      {"relay_cpu_us_per_user", relay_.cpu.Percentile(0.5) * 1000 / users},
                      {"all_arrived", complete_},
                      {"ok", ok}}
              << std::endl;
    return ok;
  }

 private:
  static void ReceiveDatagrams(size_t clients, FanOutBoard& board) {
    RelayFleet fleet(clients, kSeed, {}, [&](size_t, BroadcastId, ByteView) { board.Arrive(); });
    P2P_CHECK(fleet.Open({net::IpAddress::V4(0x7F000001), board.port}, 5s).ok());
    const auto addresses = fleet.addresses();
    for (size_t i = 0; i < clients; ++i) board.ports[i] = addresses[i].port;
    board.ready = clients;
    fleet.Run(board.stop);
  }

  void StartNats() {
    const std::string port = absl::StrCat(kNatsPort);
    const char* arguments[] = {"nats-server", "-a", "127.0.0.1", "-p",
                               port.c_str(),  "-l", "/dev/null", nullptr};
    P2P_CHECK(::posix_spawnp(&nats_, arguments[0], nullptr, nullptr,
                             const_cast<char* const*>(arguments), environ) == 0);
    P2P_CHECK(Await([&] {
      net::UniqueFd probe = ConnectNats();
      if (!probe.valid()) return false;
      publisher_ = std::move(probe);
      return true;
    }));
    nats_child_.board().port = kNatsPort;
    SayToNats("CONNECT {\"verbose\":false}\r\n");
  }
  static net::UniqueFd ConnectNats() {
    net::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage to;
    const auto size = net::SocketAddress{net::IpAddress::V4(0x7F000001), kNatsPort}.ToSockaddr(to);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), size) != 0) return {};
    return fd;
  }
  void SayToNats(const std::string& text) {
    P2P_CHECK(::send(publisher_.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(text.size()));
  }

  void RoundOfRelay() {
    FanOutBoard& board = relay_child_.board();
    const auto broadcast = MakeBroadcast(kTextBytes, random_);
    const auto& counters = town_->counters();
    const uint64_t before = counters.Get(relay::RelayCount::kFragmentsOut);
    const uint64_t delivered = town_->delivered() + clients_;
    Begin(board, clients_);
    town_->clock().Watch(counters, before + clients_);
    const Duration worker = Read(relay_clock_);
    const Duration own = CpuTime(RUSAGE_THREAD);
    const MonoTime at = Now();
    town_->Publish(broadcast);
    const Duration published = CpuTime(RUSAGE_THREAD) - own;  // The rest is waiting.
    complete_ &= AllArrived(board) && Await([&] { return town_->delivered() >= delivered; });
    relay_.cpu.Add(Read(relay_clock_) - worker + published);
    relay_.last.Add(board.last.load() - at);
    relay_.sent.Add(town_->clock().reached() - at);
    fragments_ += counters.Get(relay::RelayCount::kFragmentsOut) - before;
    ++rounds_;
  }

  // As many bytes to the same sockets from the same socket: clients drop them at the first byte.
  void RoundOfBare() {
    constexpr size_t kBatch = relay::RelaySocket::kSendBatch;
    const FanOutBoard& board = relay_child_.board();
    const Bytes datagram(datagram_bytes_, 0);
    std::array<sockaddr_storage, kBatch> to{};
    std::array<iovec, kBatch> io{};
    std::array<mmsghdr, kBatch> headers{};
    const Duration cpu = CpuTime(RUSAGE_THREAD);
    const MonoTime at = Now();
    for (size_t begin = 0; begin < clients_; begin += kBatch) {
      const size_t count = std::min(kBatch, clients_ - begin);
      for (size_t i = 0; i < count; ++i) {
        msghdr& header = headers[i].msg_hdr;
        header = {};
        header.msg_name = &to[i];
        header.msg_namelen =
            net::SocketAddress{net::IpAddress::V4(0x7F000001), board.ports[begin + i]}.ToSockaddr(
                to[i]);
        io[i] = {.iov_base = const_cast<uint8_t*>(datagram.data()), .iov_len = datagram.size()};
        header.msg_iov = &io[i];
        header.msg_iovlen = 1;
      }
      for (size_t sent = 0; sent < count;) {
        const int n = ::sendmmsg(town_->socket(), headers.data() + sent,
                                 static_cast<unsigned>(count - sent), 0);
        P2P_CHECK(n > 0 || errno == EAGAIN || errno == ENOBUFS);
        if (n > 0) sent += static_cast<size_t>(n);
      }
    }
    bare_.sent.Add(Now() - at);
    bare_.cpu.Add(CpuTime(RUSAGE_THREAD) - cpu);
  }

  void RoundOfGrpc() {
    FanOutBoard& board = grpc_child_.board();
    const std::string message(datagram_bytes_, 'x');
    constexpr size_t kFrames = 9 + 5;  // Of HTTP/2 and of gRPC.
    board.message_bytes = kFrames + message.size();
    Begin(board, clients_);
    const Duration cpu = CpuTime(RUSAGE_SELF);
    const MonoTime at = Now();
    const uint64_t acknowledged = push_->acknowledged() + clients_;
    push_->Push(message);
    complete_ &= AllArrived(board) && Await([&] { return push_->acknowledged() >= acknowledged; });
    grpc_.cpu.Add(CpuTime(RUSAGE_SELF) - cpu);
    grpc_.last.Add(board.last.load() - at);
  }

  void RoundOfNats() {
    FanOutBoard& board = nats_child_.board();
    const std::string message(datagram_bytes_, 'x');
    board.message_bytes = absl::StrCat("MSG x 1 ", message.size(), "\r\n", message, "\r\n").size();
    Begin(board, clients_);
    const MonoTime at = Now();
    SayToNats(absl::StrCat("PUB x ", message.size(), "\r\n", message, "\r\n"));
    complete_ &= AllArrived(board);
    nats_way_.last.Add(board.last.load() - at);
  }

  const size_t clients_;
  const bool alone_;
  FanOutChild relay_child_;
  FanOutChild grpc_child_;
  FanOutChild nats_child_;
  SeededRandom random_{5};
  // Of a DATA datagram with the message: header, tag, frame header, BFRAG, payload.
  const size_t datagram_bytes_ = wire::kMinDataDatagram + wire::kFragmentOverhead +
                                 PayloadBytes(*MakeBroadcast(kTextBytes, random_));
  std::unique_ptr<RelayTown> town_;
  std::unique_ptr<GrpcPush> push_;
  net::UniqueFd publisher_;
  pid_t nats_ = 0;
  clockid_t relay_clock_{};
  Way bare_, relay_, grpc_, nats_way_;
  uint64_t fragments_ = 0;
  int rounds_ = 0;
  bool complete_ = true;
};

int Main(int argc, char** argv) {
  int clients = 10'000, rounds = 30;
  if ((argc > 1 && !absl::SimpleAtoi(argv[1], &clients)) ||
      (argc > 2 && !absl::SimpleAtoi(argv[2], &rounds)) || clients < 1 ||
      clients > static_cast<int>(FanOutBoard::kMost)) {
    std::cerr << "usage: relay_fan_out [CLIENTS [ROUNDS [alone|works]]]" << std::endl;
    return 2;
  }
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const std::string how = argc > 3 ? argv[3] : "";
  Bench bench(static_cast<size_t>(clients), how == "alone");
  bench.Start();
  for (int i = 0; i < rounds; ++i) bench.Round();
  return bench.Report(rounds, how == "works") ? 0 : 1;
}

}  // namespace
}  // namespace p2p::bench

int main(int argc, char** argv) { return p2p::bench::Main(argc, argv); }
