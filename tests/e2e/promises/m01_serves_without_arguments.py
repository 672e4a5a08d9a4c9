"""M1: port 4400 for both, no arguments needed, at least fifty clients at once."""
import os
import subprocess

import harness
from harness import drive, equal


def sockets(place, kind):
    run = subprocess.run(["ip", "netns", "exec", place, "ss", "-H", "-l", "-n", f"--{kind}"], capture_output=True, text=True)
    return {line.split()[3].rsplit(":", 1)[1] for line in run.stdout.splitlines()}


def test_both_programs_run_without_arguments(world):
    harness.need_namespaces()
    place, _ = world.network(["all"])["all"]
    home = dict(os.environ, XDG_STATE_HOME=world.path("state"))
    server = world.add(drive.Process([os.path.join(world.bin, "control-server")], namespace=place, env=home))
    line = server.next_line(drive.DEADLINE)
    match = drive.READY.match(line)
    equal(match.group(1, 2), ("[::]:4400", "[::]:4400"), f"addresses in {line!r}")
    for kind in ("tcp", "udp"):
        equal("4400" in sockets(place, kind), True, f"something listens on 4400/{kind}")
    # Nobody can answer the question about the server's key here: it exits, but it came as far as the key, without a port.
    client = subprocess.run(["ip", "netns", "exec", place, os.path.join(world.bin, "peer-client"), "--jsonl", "localhost"],
                            env=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    equal((client.returncode, match.group(5) in client.stdout), (4, True), f"peer-client localhost ({client.stdout!r})")


def test_fifty_are_served_at_once(world):
    count = harness.scale(50, 200)
    server = world.server()
    clients = [world.client(server, f"u{n:03}") for n in range(count)]
    for number, client in enumerate(clients):
        client.expect("connected", timeout=60)
        client.sign_up(f"user{number:03}", "a good password")
        client.log_in(f"user{number:03}", "a good password")
    clients[0].send(cmd="list")
    equal(len(clients[0].expect("active")["clients"]), count, "clients listed")
    clients[-1].send(cmd="broadcast", text="to all")
    for client in clients:
        client.expect("broadcast", text="to all")


if __name__ == "__main__":
    harness.main(globals())
