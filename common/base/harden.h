// What a server does to its own process before it touches a secret.
#pragma once

namespace p2p {

// Nobody else on the machine reads its memory or its files: files are made 0600, no core dumps, not
// traceable. SIGPIPE is ignored. First thing in main().
void HardenProcess();

}  // namespace p2p
