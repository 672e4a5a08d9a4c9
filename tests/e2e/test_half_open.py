"""A client whose network goes dead: no FIN, no RST, no answer. The server finds out in its time, and the client comes back by itself.

The short form shortens the deadlines; with P2P_LONG=1 they are the product's."""
import subprocess
import time

import harness
from harness import check, equal, scale, wait_for

EVERY, ANSWER, GRACE = scale((1, 1, 1), (20, 10, 10))  # Seconds.
SLACK = 5
TIMING = [arg for key, value in {"server_keepalive": EVERY, "server_keepalive_timeout": ANSWER, "detach_grace": GRACE}.items()
          for arg in ("--set", f"timing.{key}={value}s")]


def connections(place, port):
    """Peers of the server's established connections."""
    text = subprocess.run(["ip", "netns", "exec", place, "ss", "-Htn", "state", "established", f"( sport = :{port} )"],
                          capture_output=True, text=True, check=True).stdout
    return sorted(line.split()[-1].rsplit(":", 1)[0].strip("[]").removeprefix("::ffff:") for line in text.splitlines())


def test_a_vanished_peer_is_found_out_and_comes_back(world):
    harness.need_namespaces()
    places = world.network(["server", "alice", "bob"])
    server = world.server(*TIMING, listen="[::]:4400", relay="[::]:4400", namespace=places["server"][0])
    host = places["server"][1]
    alice, bob = (world.member(server, name, *TIMING, "--set", "timing.client_keepalive=2s", "--set",
                               "timing.client_keepalive_timeout=2s", host=host, namespace=places[name][0])
                  for name in ("alice", "bob"))

    def listed():
        alice.send(cmd="list")
        return [c["username"] for c in alice.expect("active")["clients"]]
    equal(listed(), ["alice", "bob"], "active clients")
    equal(connections(places["server"][0], 4400), sorted([places["alice"][1], places["bob"][1]]), "connections")

    world._ip("-n", places["bob"][0], "link", "set", "eth0", "down")
    gone = time.monotonic()
    wait_for("bob is off the list", lambda: listed() == ["alice"], timeout=EVERY + ANSWER + GRACE + SLACK)
    took = time.monotonic() - gone
    wait_for("his connection is gone", lambda: connections(places["server"][0], 4400) == [places["alice"][1]], timeout=SLACK)
    print(f"        off the list after {took:.1f} s", flush=True)
    check(took >= GRACE, "he had his grace")

    world._ip("-n", places["bob"][0], "link", "set", "eth0", "up")
    bob.expect("logged_in", username="bob", resumed=True, timeout=60)
    equal(listed(), ["alice", "bob"], "active clients once the network is back")


if __name__ == "__main__":
    harness.main(globals())
