// The Unix socket on which the operator reaches a running server. Mode 0600, and each peer is asked
// for by SO_PEERCRED: only root and the server's own user are let in; everybody else is closed
// without an answer, and counted. No TLS: what goes over it does not leave the host.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "common/base/counters.h"
#include "common/base/time.h"
#include "common/net/fd.h"
#include "grpcpp/grpcpp.h"

namespace p2p::server {

enum class AdminSocketCount { kAccepted, kRefused, kFailed, kCount };

class AdminSocket {
 public:
  // Binds `path` and serves `service`, which outlives it. A socket file that nobody listens on is
  // replaced. InvalidArgument: the path does not fit into a socket address. AlreadyExists: somebody
  // listens there, or something that is no socket is in the way.
  static absl::StatusOr<std::unique_ptr<AdminSocket>> Open(const std::string& path,
                                                           grpc::Service& service);
  ~AdminSocket() { Shutdown(Duration::zero()); }

  // Lets nobody in any more, gives open calls that long to end, cancels the others and waits for
  // them; removes the file. Idempotent; not from a call.
  void Shutdown(Duration patience);

  const Counters<AdminSocketCount>& counters() const { return counters_; }

 private:
  AdminSocket(std::string path, net::UniqueFd listener, net::UniqueFd stop,
              std::unique_ptr<grpc::Server> server);
  void Run();
  void AcceptOne();
  // True when the end was asked for; waits that long for it.
  bool StopAskedWithin(Duration wait);

  const std::string path_;
  net::UniqueFd listener_;
  const net::UniqueFd stop_;  // An eventfd, readable once the thread is to end.
  std::unique_ptr<grpc::Server> server_;
  Counters<AdminSocketCount> counters_;
  std::thread thread_;  // Last: runs Run() from the end of construction.
};

// A connected socket to `path`, non-blocking. NotFound or Unavailable: nobody listens there.
absl::StatusOr<net::UniqueFd> ConnectUnix(const std::string& path);

}  // namespace p2p::server
