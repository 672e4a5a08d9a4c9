// How a command of the operator reaches the server: over the admin socket when it runs, else by the
// same service in this process, on the locked data directory.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/config/timing.h"
#include "p2p/v1/admin.grpc.pb.h"

namespace p2p::server {

class AdminChannel {
 public:
  virtual ~AdminChannel() = default;
  // `socket` may be empty: then only a stopped server is served. Unavailable: a server has the data
  // directory, but it has no admin socket there. PermissionDenied: the socket is another user's.
  static absl::StatusOr<std::unique_ptr<AdminChannel>> Open(const std::string& socket,
                                                            const std::string& data_dir,
                                                            const config::Timing& timing);
  virtual v1::AdminService::StubInterface& stub() = 0;
};

}  // namespace p2p::server
