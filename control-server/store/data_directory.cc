#include "control-server/store/data_directory.h"

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/net/file.h"

namespace p2p::server {

absl::StatusOr<DataDirectory> DataDirectory::Open(const std::string& path) {
  P2P_RETURN_IF_ERROR(net::MakePrivateDirectory(path));
  P2P_ASSIGN_OR_RETURN(auto lock, net::LockFile(absl::StrCat(path, "/lock")));
  return DataDirectory(path, std::move(lock));
}

}  // namespace p2p::server
