// The relay as a process: the worker with its socket, the link to the server, and the signals that
// end them. Reads like a parts list; the parts do the work.
#pragma once

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "common/crypto/os_random.h"
#include "common/net/address.h"
#include "udp-relay/io/relay_workers.h"
#include "udp-relay/link/link_client.h"

namespace p2p::relay {

struct ProcessOptions {
  net::SocketAddress listen;
  RelaySetup setup;
  // Its advertise_port 0 stands for the port that is bound.
  LinkOptions link;
};

class RelayProcess final : private LinkListener {
 public:
  // Binds the socket. `ready` is called once, by Run, with the bound address when the relay is
  // linked and serves. `clock` outlives the process.
  static absl::StatusOr<std::unique_ptr<RelayProcess>> Create(
      ProcessOptions options, const Clock& clock,
      std::function<void(const net::SocketAddress&)> ready);

  // Serves until SIGTERM or SIGINT, then drains: what was sent and not acknowledged gets
  // timing.relay_drain; a second signal ends it at once. OK, or why the first link was refused for
  // good.
  absl::Status Run();
  // As SIGTERM does. Any thread.
  void Stop();

 private:
  RelayProcess(const Clock& clock, Duration drain_time,
               std::function<void(const net::SocketAddress&)> ready);

  // LinkListener.
  void OnLinked() override;
  void OnRefused(const absl::Status& why) override;
  void OnClosed() override { loop_.stop(); }

  void AwaitSignal();
  void BeginDrain();
  // Nothing is outstanding any more, or the time for it is over.
  void EndDrain();

  const Clock& clock_;
  const Duration drain_time_;
  const std::function<void(const net::SocketAddress&)> ready_;
  crypto::OsRandom random_;
  asio::io_context loop_{1};
  asio::signal_set signals_;
  asio::steady_timer drain_timer_;
  ReportQueue reports_;
  std::unique_ptr<RelayWorkers> workers_;
  std::unique_ptr<LinkClient> link_;
  absl::Status result_;
  bool told_ready_ = false;
  bool draining_ = false;
  bool drained_ = false;
};

}  // namespace p2p::relay
