// Both clocks at one moment, read once per turn of the client's loop and passed down.
#pragma once

#include "common/base/time.h"

namespace p2p::client {

struct Now {
  MonoTime mono;
  WallTime wall;
};

}  // namespace p2p::client
