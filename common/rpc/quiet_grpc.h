// What every process that uses gRPC does first.
#pragma once

namespace p2p::rpc {

// No lock-cycle detection (a false alarm aborts the process, and it halves the attach rate), no log
// lines that a stranger can cause. Before anything else of gRPC.
void QuietGrpc();

}  // namespace p2p::rpc
