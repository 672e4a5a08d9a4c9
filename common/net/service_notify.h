// Tells the service manager how far the process is, by the protocol of sd_notify(3): datagrams of
// KEY=VALUE lines to the socket that NOTIFY_SOCKET names. Nothing happens when no service manager
// asked. Rim code, but it never blocks.
#pragma once

#include <sys/un.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace p2p::net {

struct NotifyAddress {
  sockaddr_un socket;
  socklen_t size;
};

// The address that NOTIFY_SOCKET's text means: "/path" or "@name" of the abstract namespace.
// InvalidArgument: anything else, or longer than an address can be.
absl::StatusOr<NotifyAddress> ParseNotifySocket(absl::string_view text);

// `state`: "READY=1", "STATUS=…", "STOPPING=1"; more than one with newlines between; failures are
// logged once and change nothing.
void NotifyServiceManager(absl::string_view state);

}  // namespace p2p::net
