#include "peer-client/oneshot/local_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace p2p::client::oneshot {
namespace {

constexpr char kName[] = "client.socket";
constexpr int kBacklog = 16;

absl::Status Failed(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// A socket address holds 108 bytes; a data directory's path may be longer. The directory is named
// by its descriptor instead.
struct Place {
  net::UniqueFd directory;
  sockaddr_un address{};
};

absl::StatusOr<Place> Find(const std::string& data_dir) {
  Place place;
  place.directory = net::UniqueFd(::open(data_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!place.directory.valid()) return Failed(data_dir);
  place.address.sun_family = AF_UNIX;
  const std::string path = absl::StrCat("/proc/self/fd/", place.directory.get(), "/", kName);
  P2P_CHECK(path.size() < sizeof place.address.sun_path);
  std::memcpy(place.address.sun_path, path.c_str(), path.size() + 1);
  return place;
}

net::UniqueFd NewSocket() {
  return net::UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

}  // namespace

absl::StatusOr<net::UniqueFd> ListenLocal(const std::string& data_dir) {
  P2P_ASSIGN_OR_RETURN(const Place place, Find(data_dir));
  net::UniqueFd fd = NewSocket();
  if (!fd.valid()) return Failed("socket");
  if (::unlinkat(place.directory.get(), kName, 0) != 0 && errno != ENOENT) return Failed(kName);
  const auto* address = reinterpret_cast<const sockaddr*>(&place.address);
  if (::bind(fd.get(), address, sizeof place.address) != 0 ||
      ::fchmodat(place.directory.get(), kName, 0600, 0) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return Failed(absl::StrCat(data_dir, "/", kName));
  }
  return fd;
}

absl::StatusOr<net::UniqueFd> ConnectLocal(const std::string& data_dir) {
  P2P_ASSIGN_OR_RETURN(const Place place, Find(data_dir));
  net::UniqueFd fd = NewSocket();
  if (!fd.valid()) return Failed("socket");
  const auto* address = reinterpret_cast<const sockaddr*>(&place.address);
  if (::connect(fd.get(), address, sizeof place.address) != 0) return Failed(kName);
  if (!IsOwnPeer(fd.get())) {
    return absl::PermissionDeniedError("another user's process listens in the data directory");
  }
  return fd;
}

bool IsOwnPeer(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

}  // namespace p2p::client::oneshot
