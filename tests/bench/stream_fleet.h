// Many TCP clients that only count what comes: the receiving side of the yardsticks.
#pragma once

#include <string>

#include "tests/bench/fan_out_board.h"

namespace p2p::bench {

// What such a client says. Thread: the caller's.
struct StreamScript {
  std::string greeting;    // At once.
  std::string ready_mark;  // Is ready when it has seen this; empty: at the first bytes.
  std::string then;        // Said when it is ready.
  std::string answer;      // Said when a message is complete.
  bool tls = false;        // 1.3, whoever it is at the other end.
};

// Connects `size` clients to 127.0.0.1, board.port, and counts until board.stop: a client has the
// message of a round when board.message_bytes have come since the round began.
void RunStreamFleet(size_t size, const StreamScript& script, FanOutBoard& board);

// A plain-text subscriber of nats-server, subject "x".
StreamScript NatsSubscriber();
// A client of one gRPC stream over TLS, which acknowledges every message with one of 16 bytes.
StreamScript GrpcStream();

}  // namespace p2p::bench
