#include "common/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace p2p {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, condition);
  std::abort();
}

}  // namespace p2p
