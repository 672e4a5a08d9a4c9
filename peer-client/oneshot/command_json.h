// A command in the form in which a running client reads it from its socket.
#pragma once

#include "common/base/secret.h"
#include "peer-client/app/command.h"

namespace p2p::client::oneshot {

// One line with its newline; holds a password for signup and login. Only commands that a Task
// orders: any other is a broken invariant.
SecretText ToJsonCommand(const Command& command);

}  // namespace p2p::client::oneshot
