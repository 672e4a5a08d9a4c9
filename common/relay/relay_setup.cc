#include "common/relay/relay_setup.h"

#include "absl/strings/str_cat.h"

namespace p2p::relay {

absl::Status RelaySetup::Check() const {
  if (workers < 1 || workers > kMaxWorkers) {
    return absl::InvalidArgumentError(absl::StrCat("relay workers: between 1 and ", kMaxWorkers));
  }
  if (egress_mbit < 1 || egress_mbit > kMaxEgressMbit) {
    return absl::InvalidArgumentError(
        absl::StrCat("relay egress: between 1 and ", kMaxEgressMbit, " Mbit/s"));
  }
  return absl::OkStatus();
}

}  // namespace p2p::relay
