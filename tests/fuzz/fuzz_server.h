// A control-server in this process for the fuzz target `requests`: accounts whose passwords cost
// nothing, a relay token, and calls of any method with any bytes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "control-server/server.h"
#include "grpcpp/grpcpp.h"

namespace p2p::server {

// Not thread-safe. Ends the program when the server cannot start.
class FuzzServer {
 public:
  FuzzServer();
  ~FuzzServer();

  // The `authorization` of somebody who is logged in, as long as nobody ended that session.
  const std::string& Authorization() const { return authorization_; }
  const std::string& RelayAuthorization() const { return relay_authorization_; }
  // The next account logs in.
  void LogInAgain();

  // One message; or all of them on a stream, which is read to its end. A connection that the server
  // has cut meanwhile (a penalty, too many bytes) is replaced once.
  grpc::Status Call(const std::string& method, const std::string& authorization, bool streaming,
                    const std::vector<std::string>& messages);
  // Over the private socket.
  grpc::Status CallAdmin(const std::string& method, const std::string& message);

 private:
  void Connect();
  void Start();

  SystemClock clock_;
  std::string directory_;
  std::string relay_authorization_;
  std::string authorization_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::shared_ptr<grpc::Channel> admin_;
  int account_ = 0;
};

}  // namespace p2p::server
