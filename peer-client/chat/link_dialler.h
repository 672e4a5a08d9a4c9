// Dials one peer: its allowed addresses, up to three at a time, each again by the schedule, until
// one connection is proven or the time is over.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/config/timing.h"
#include "peer-client/chat/address_rule.h"
#include "peer-client/chat/link_keys.h"

namespace p2p::client {

// One thread. Alive until it has finished or Stop was called; then it calls nobody.
class LinkDialler : public std::enable_shared_from_this<LinkDialler> {
 public:
  struct Job {
    RequestId link;
    LinkRole role;  // Ours.
    KnockKey knock_key;
    DialPlan plan;
    Duration total;  // One round when zero.
  };
  // Takes over a connected socket whose knock has been sent. OK: the job is done.
  using Establish = std::function<asio::awaitable<absl::Status>(asio::ip::tcp::socket socket,
                                                                const net::SocketAddress& to)>;
  // All addresses failed until the end; as Reasons() says. Last call.
  using OnFailed = std::function<void(std::vector<std::string> reasons)>;

  LinkDialler(asio::io_context& io, Job job, const Clock& clock, Random& random,
              Establish establish, OnFailed on_failed);
  void Start();
  void Stop();
  bool running() const { return running_; }
  // One line for each address: "10.0.0.7:4400: Connection refused".
  std::vector<std::string> Reasons() const;

 private:
  // Addresses that are tried one after the other; lanes run side by side, so that an address that
  // swallows everything holds up only its own.
  struct Lane {
    explicit Lane(asio::io_context& io) : timer(io) {}
    std::vector<size_t> addresses;  // Of the plan.
    MonoTime end;                   // No attempt goes on beyond; the first of each has a while.
    asio::steady_timer timer;
    asio::ip::tcp::socket* connecting = nullptr;  // In the coroutine's frame.
  };
  asio::awaitable<void> Run(Lane& lane);
  // True: established.
  asio::awaitable<bool> Round(Lane& lane);
  asio::awaitable<absl::Status> Dial(Lane& lane, net::SocketAddress to);
  asio::awaitable<absl::Status> Connect(Lane& lane, asio::ip::tcp::socket& socket,
                                        net::SocketAddress to);
  void LaneFailed();

  asio::io_context& io_;
  Job job_;
  const Clock* clock_;
  Random* random_;
  Establish establish_;
  OnFailed on_failed_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  size_t lanes_running_ = 0;
  std::vector<std::string> last_error_;  // Of each address of the plan.
  bool identity_refused_ = false;
  bool running_ = false;
  bool stopped_ = false;
};

}  // namespace p2p::client
