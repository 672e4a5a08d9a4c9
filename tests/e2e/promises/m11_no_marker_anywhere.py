"""Nothing that should be secret is on the wire, in logs, in argument lists or in the server's files: M11."""
import glob
import os
import subprocess

import harness
from harness import check

PASSWORD = "marker-password-7f3a"
CHAT = "marker-chat-line-51c9"
BROADCAST = "marker-broadcast-e2b8"
CONTROL = "marker-control-plain-04d6"


def holds(data, marker):
    return marker.encode() in data


def test_markers_are_nowhere(world):
    harness.need_namespaces()
    place, _ = world.network(["all"])["all"]
    capture = world.path("capture.pcap")
    dump = world.add(harness.drive.Process(["tcpdump", "-i", "lo", "-U", "--immediate-mode", "-s", "0", "-Z", "root",
                                            "-B", "16384", "-w", capture], namespace=place, name="tcpdump"))
    harness.wait_for("tcpdump listens", lambda: any("listening" in line for line in dump.err))
    # The capture itself must be able to see plain text, or the rest proves nothing.
    subprocess.run(["ip", "netns", "exec", place, "/usr/bin/python3", "-c",
                    f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'{CONTROL}', ('127.0.0.1', 9))"],
                   check=True)
    harness.wait_for("the capture sees plain text", lambda: holds(read(capture), CONTROL))

    server = world.server("--log-format", "json", listen="127.0.0.1:4400", relay="127.0.0.1:4400", namespace=place)
    people = {n: world.member(server, n, password=PASSWORD, namespace=place) for n in ("alice", "bob")}
    alice, bob = people["alice"], people["bob"]
    alice.send(cmd="login", username="alice", password="marker-password-wrong")
    alice.send(cmd="request", peer="bob")
    bob.send(cmd="approve", request_id=bob.expect("peer_request")["request_id"])
    alice.expect("chat_open")
    alice.send(cmd="msg", peer="bob", text=CHAT)
    bob.expect("chat", text=CHAT)
    alice.send(cmd="broadcast", text=BROADCAST)
    bob.expect("broadcast", text=BROADCAST)
    tokens = stored_tokens(world, ("alice", "bob"))
    check(tokens, "the test found the access tokens it looks for")

    command_lines = b"".join(read(path) for path in glob.glob("/proc/[0-9]*/cmdline"))
    server.stop()
    dump.stop()
    wire = read(capture)
    log = "\n".join(server.out + server.err).encode()
    files = b"".join(read(os.path.join(root, name)) for root, _, names in os.walk(server.data_dir) for name in names)
    check(len(wire) > 10000, "the capture holds the traffic")
    for marker in [PASSWORD, CHAT, BROADCAST, *tokens]:
        check(not holds(wire, marker), f"{marker} is on the wire")
        check(not holds(log, marker), f"{marker} is in the server's log")
        check(not holds(command_lines, marker), f"{marker} is in an argument list")
    for marker in [PASSWORD, CHAT, *tokens]:
        check(not holds(files, marker), f"{marker} is in the server's data directory")


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def stored_tokens(world, names):
    """Access tokens as the clients keep them: 43 characters of URL base64 in their (0600) state files."""
    import re
    found = []
    for name in names:
        for root, _, files in os.walk(world.path(name)):
            for file in files:
                path = os.path.join(root, file)
                data = read(path)
                found += [m.decode() for m in re.findall(rb'token"?\s*[:=]\s*"([A-Za-z0-9_-]{43})"', data)]
                if found:
                    check(os.stat(path).st_mode & 0o077 == 0 or not holds(data, found[-1]), f"{path} is readable by others")
    return found


if __name__ == "__main__":
    harness.main(globals())
