// What two people compare, by voice or side by side, to know that nobody stands between them: 60
// digits, the same on both sides. Signal's construction (numeric fingerprint, version 0): 5200
// rounds of SHA-512 over each side's key and identifier, 30 digits of each, the smaller first.
#pragma once

#include <string>

#include "common/base/id.h"
#include "common/wire/introduction.h"

namespace p2p::client {

struct SafetySide {
  UserId uid;
  wire::DeviceKey key;
};

// 60 digits without spaces. Takes some milliseconds.
std::string SafetyNumber(const SafetySide& one, const SafetySide& other);

}  // namespace p2p::client
