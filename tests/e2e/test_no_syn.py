"""A server that names special addresses as the peer's makes no client send one packet there: every SYN is captured."""
import os
import re
import shutil
import subprocess

import harness
from harness import check, equal, wait_for

PROGRAM = "special_addresses_test"


def test_not_one_syn_leaves(world):
    harness.need_namespaces()
    if shutil.which("tcpdump") is None:
        raise harness.missing("tcpdump is not installed")
    place = world.network(["client"], prefix="198.51.100.")["client"][0]
    # There is a way to everywhere, and a next hop: what is not sent was not held up.
    world._ip("-n", place, "neigh", "add", "198.51.100.254", "lladdr", "02:00:00:00:00:fe", "dev", "eth0")
    world._ip("-n", place, "route", "add", "default", "via", "198.51.100.254")
    world._ip("-n", place, "-6", "neigh", "add", "fe80::fe", "lladdr", "02:00:00:00:00:fe", "dev", "eth0")
    world._ip("-n", place, "-6", "route", "add", "default", "via", "fe80::fe", "dev", "eth0")
    dump = world.add(harness.drive.Process(["tcpdump", "-i", "any", "-n", "-l", "--immediate-mode",
                                            "(ip and tcp and tcp[13] & 2 != 0) or (ip6 and tcp and ip6[53] & 2 != 0)"], namespace=place, name="tcpdump"))
    wait_for("tcpdump listens", lambda: any("listening" in line for line in dump.err))
    program = os.path.join(world.bin, "..", "tests", PROGRAM)

    def run(tests):
        done = subprocess.run(["ip", "netns", "exec", place, program, f"--gtest_filter=*.{tests}"], capture_output=True, text=True)
        equal(done.returncode, 0, done.stdout[-2000:])
        return re.search(r"\[  PASSED  \] (\d+) test", done.stdout).group(1)
    equal(run("No*:*.Mapped*"), "3", "tests that dial special addresses")
    equal(run("TheControl*"), "1", "control")
    wait_for("the control's SYN", lambda: any("203.0.113.77.4400" in line for line in dump.out))
    others = [line for line in dump.out if " > " in line and "203.0.113.77.4400" not in line]
    check(not others, f"SYNs left: {others[:5]}")


if __name__ == "__main__":
    harness.main(globals())
