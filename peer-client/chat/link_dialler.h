// Dials one peer: every allowed address in turn, again by the schedule, until one connection is
// proven or the time is over.
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
  // All addresses failed until the end; one line each. Last call.
  using OnFailed = std::function<void(std::vector<std::string> reasons)>;

  LinkDialler(asio::io_context& io, Job job, const Clock& clock, Random& random,
              Establish establish, OnFailed on_failed);
  void Start();
  void Stop();
  bool running() const { return running_; }

 private:
  asio::awaitable<void> Loop();
  // True: established.
  asio::awaitable<bool> Round();
  asio::awaitable<absl::Status> Dial(net::SocketAddress to);
  asio::awaitable<absl::Status> Connect(asio::ip::tcp::socket& socket, net::SocketAddress to);
  std::vector<std::string> Reasons() const;

  asio::io_context& io_;
  Job job_;
  const Clock* clock_;
  Random* random_;
  Establish establish_;
  OnFailed on_failed_;
  asio::steady_timer timer_;
  asio::ip::tcp::socket* connecting_ = nullptr;  // In the coroutine's frame.
  std::vector<std::string> last_error_;          // Of each address of the plan.
  bool identity_refused_ = false;
  bool running_ = false;
  bool stopped_ = false;
};

}  // namespace p2p::client
