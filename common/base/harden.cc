#include "common/base/harden.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace p2p {

void HardenProcess() {
  ::umask(077);
  ::prctl(PR_SET_DUMPABLE, 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::signal(SIGPIPE, SIG_IGN);
}

}  // namespace p2p
