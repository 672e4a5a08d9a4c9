// The relay's link to its control-server: links, links again, tells, obeys, and says good-bye.
// Lives on the relay's loop.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/base/counters.h"
#include "common/base/random.h"
#include "common/config/timing.h"
#include "common/relay/relay_port.h"
#include "common/rpc/server_identity.h"
#include "udp-relay/link/backoff.h"
#include "udp-relay/link/link_stream.h"
#include "udp-relay/link/report_queue.h"

namespace p2p::relay {

struct LinkOptions {
  std::string host;  // Name or address.
  uint16_t port = 0;
  std::string fingerprint;  // The only server key that is accepted; nothing else is checked.
  std::string token_file;   // Read anew for each link.
  std::string version;
  std::string advertise_ip;  // Empty: the server decides.
  uint16_t advertise_port = 0;
  config::Timing timing;
};

// On the loop, never from inside a call of the client.
class LinkListener {
 public:
  virtual ~LinkListener() = default;
  // Linked, perhaps anew: what the relay holds is to be forgotten before anything else. The orders
  // of the link follow.
  virtual void OnLinked() = 0;
  // The first link was refused for a reason that no waiting mends: another token, another server.
  virtual void OnRefused(const absl::Status& why) = 0;
  // After Close or Drain: the link is over, cleanly or not. Once.
  virtual void OnClosed() = 0;
};

enum class LinkCount { kTries, kLinked, kMalformedOrders, kCount };

class LinkClient {
 public:
  // All outlive it. `port` carries the orders out.
  LinkClient(asio::io_context& loop, const Clock& clock, Random& random, LinkOptions options,
             ReportQueue& reports, RelayPort& port, LinkListener& listener);
  // Breaks the link and waits until the library has let go of it.
  ~LinkClient();

  void Start() { Connect(); }
  // Reports are waiting, or the worker lost its sessions.
  void OnReports();
  // Tells the server to give us nothing new. A link that ends from here on is not made again.
  void Drain();
  // Ends the link once all reports have left.
  void Close();
  bool linked() const { return linked_at_.has_value(); }
  const Counters<LinkCount>& counters() const { return counters_; }

 private:
  void Connect();
  absl::Status TryConnect();
  void Register();
  void OnOrders(const v1::RelayOrders& orders);
  void OnRegistered();
  void OnEnd(const grpc::Status& status);
  void TryLater(absl::string_view reason);
  // Writes what is next, when nothing is being written.
  void Pump();
  void CancelAfter(Duration time);

  asio::io_context& loop_;
  const Clock& clock_;
  Random& random_;
  const LinkOptions options_;
  ReportQueue& reports_;
  RelayPort& port_;
  LinkListener& listener_;
  Counters<LinkCount> counters_;

  Backoff backoff_;
  asio::steady_timer timer_;  // The next try, or the end of patience with this one.
  std::shared_ptr<rpc::SeenKey> seen_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::RelayLink::Stub> stub_;
  std::unique_ptr<LinkStream> stream_;
  std::future<void> released_;  // The library has let go of stream_.
  std::optional<MonoTime> linked_at_;
  bool ever_linked_ = false;
  bool draining_ = false;
  bool say_draining_ = false;
  bool closing_ = false;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace p2p::relay
