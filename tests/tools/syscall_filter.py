"""Runs a program under the system-call filter of a systemd unit: syscall_filter.py UNIT PROGRAM ARGUMENTS…
What systemd would do at start, with its own lists, so that a call that is missing in them kills the program here."""
import ctypes
import os
import platform
import re
import struct
import subprocess
import sys

HEADER = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
LOAD_NUMBER, EQUAL, RETURN = 0x20, 0x15, 0x06  # Classic BPF: A = seccomp_data.nr; skip one unless equal; end.
ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000


def available():
    return platform.machine() == "x86_64" and os.path.exists(HEADER)


def calls(names):
    """System calls by name; @groups as systemd has them."""
    out = set()
    for name in names:
        if not name.startswith("@"):
            out.add(name)
            continue
        text = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout
        out |= calls(word for word in (line.strip() for line in text.splitlines()[1:]) if word and word[0] != "#")
    return out


def allowed(unit):
    """systemd.exec(5): the first line decides that it is a list of what is allowed; the later ones add and take away."""
    out = calls(["@default"])
    with open(unit) as file:
        for line in re.findall(r"^SystemCallFilter=(.*)$", file.read(), re.M):
            out = out - calls(line[1:].split()) if line.startswith("~") else out | calls(line.split())
    # SQLite gives its files to the directory's owner when root runs it, which no unit of ours does.
    return out | {"fchown"} if os.geteuid() == 0 else out


def main(unit, argv):
    with open(HEADER) as file:
        numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", file.read()))
    steps = [(LOAD_NUMBER, 0, 0, 0)]
    for number in sorted(int(numbers[name]) for name in allowed(unit) if name in numbers):
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    steps.append((RETURN, 0, 0, KILL_PROCESS))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, program, 0, 0) != 0:  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
        sys.exit(f"the filter could not be set: {os.strerror(ctypes.get_errno())}")
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
