#include "control-server/admission/capacity.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/net/fd.h"

namespace p2p::server {

uint64_t ReservedDescriptors(uint64_t descriptor_limit) {
  // Divided first: RLIM_INFINITY must not wrap.
  return std::clamp<uint64_t>(descriptor_limit / 8 * 3, 96, 300);
}

absl::StatusOr<uint32_t> ConnectionCap(uint64_t descriptor_limit,
                                       std::optional<uint64_t> requested) {
  const uint64_t reserved = ReservedDescriptors(descriptor_limit);
  const uint64_t room = descriptor_limit > reserved ? descriptor_limit - reserved : 0;
  const absl::string_view advice =
      "raise the limit of open files, for example `ulimit -n` in the shell that starts the server, "
      "LimitNOFILE= in a systemd unit, or `ulimits: nofile` in a compose file";
  if (room == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the limit of ", descriptor_limit, " open files leaves no room for connections: ", advice));
  }
  if (!requested) return static_cast<uint32_t>(std::min(kDefaultMaxConnections, room));
  if (*requested == 0) {
    return absl::InvalidArgumentError("--max-connections must be at least 1");
  }
  if (*requested > room || *requested > UINT32_MAX) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--max-connections ", *requested, " does not fit: the limit of ", descriptor_limit,
        " open files leaves room for ", room, " connections; ", advice));
  }
  return static_cast<uint32_t>(*requested);
}

uint32_t MaxUnauthenticated(uint32_t cap) { return std::max<uint32_t>(64, cap / 4); }

absl::StatusOr<uint64_t> RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return net::ErrnoError("getrlimit", errno);
  if (limit.rlim_cur != limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = raised.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

}  // namespace p2p::server
