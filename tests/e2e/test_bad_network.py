"""Broadcasts over a network that the kernel itself makes bad: iptables drops datagrams in the namespaces of server and clients.

Each kind of damage once, with the real programs: some at random, every third, all of them one way or both ways, and back."""
import collections
import json
import shutil
import subprocess

import harness
from harness import check, equal, wait_for

NAMES = ("alice", "bob", "carol")
# A client that says sooner that UDP does not work, and a server that believes it sooner.
TIMING = [arg for value in ("channel_fallback=2s", "relay_ping=1s") for arg in ("--set", f"timing.{value}")]
LARGE = "sixty thousand bytes " * 2_900


class Town:
    """A server with two workers and three people, each in a namespace."""

    def __init__(self, world):
        harness.need_namespaces()
        if shutil.which("iptables") is None:
            raise harness.missing("iptables is not installed")
        self.bin = world.bin
        self.places = world.network(["server", *NAMES])
        server, host = self.places["server"]
        self.server = world.server(*TIMING, "--relay-workers", "2", listen="[::]:4400", relay="[::]:4400", namespace=server)
        self.people = {n: world.member(self.server, n, *TIMING, host=host, namespace=self.places[n][0]) for n in NAMES}
        self.sent = collections.Counter()

    def drop(self, where, *match):
        """Datagrams that arrive at `where` and match are lost from now on."""
        self._iptables(where, "-A", "INPUT", "-p", "udp", *match, "-j", "DROP")

    def drop_both_ways(self, *match):
        for place in self.places:
            self.drop(place, *match)

    def mend(self):
        for place in self.places:
            self._iptables(place, "-F", "INPUT")

    def _iptables(self, where, *args):
        run = subprocess.run(["ip", "netns", "exec", self.places[where][0], "iptables", *args], capture_output=True, text=True)
        if run.returncode != 0:
            raise harness.missing(f"iptables cannot do it here: {run.stderr.strip()}")

    def dropped(self, where):
        """Datagrams that the rules of `where` have dropped so far."""
        text = subprocess.run(["ip", "netns", "exec", self.places[where][0], "iptables", "-nvxL", "INPUT"],
                              capture_output=True, text=True, check=True).stdout
        return sum(int(line.split()[0]) for line in text.splitlines() if " DROP " in line)

    def broadcast(self, text, timeout=30):
        """What each was shown of it, and what the ledger says in the end: {name: via}."""
        alice = self.people["alice"]
        alice.send(cmd="broadcast", text=text)
        self.last = alice.expect("broadcast_sent")["id"]
        self.sent[self.last] = 1
        got = {n: p.expect("broadcast", id=self.last, timeout=timeout) for n, p in self.people.items()}
        equal({n: e["text"] == text for n, e in got.items()}, {n: True for n in NAMES}, "whole texts")
        via = {n: e["via"] for n, e in got.items()}
        wait_for("the ledger says the same", lambda: self.ledger() == via)
        return via

    def ledger(self):
        """The server's own account of the last broadcast: {name: via}."""
        run = subprocess.run([f"{self.bin}/control-server", "broadcast", "status", self.last, "--data-dir",
                              self.server.data_dir, "-o", "json"], capture_output=True, text=True, check=True)
        states = {d["username"]: d["state"] for d in json.loads(run.stdout)["deliveries"]}
        return {n: state.removeprefix("delivered (").removesuffix(")") for n, state in states.items()}

    def udp_is_back(self):
        tries = iter(range(100))
        wait_for("UDP is used again by everybody", lambda: set(self.broadcast(f"again {next(tries)}").values()) == {"udp"}, timeout=30)
        self.nothing_twice()

    def nothing_twice(self):
        for name, person in self.people.items():
            times = collections.Counter(e["id"] for e in person.seen("broadcast"))
            equal(times, self.sent, f"how often {name} saw each broadcast")


def test_some_are_lost_at_random(world):
    town = Town(world)
    town.drop_both_ways("-m", "statistic", "--mode", "random", "--probability", "0.3")
    for text in [f"short {i}" for i in range(10)] + [LARGE]:
        town.broadcast(text)
    check(town.dropped("server") + town.dropped("bob") >= 5, "the network lost something")
    town.nothing_twice()


def test_every_third_is_lost(world):
    town = Town(world)
    town.drop_both_ways("-m", "statistic", "--mode", "nth", "--every", "3", "--packet", "0")
    for text in [f"short {i}" for i in range(5)] + [LARGE]:
        town.broadcast(text)
    check(town.dropped("carol") >= 3, "the network lost something")
    town.nothing_twice()


def test_udp_is_blocked_for_a_while(world):
    town = Town(world)
    equal(set(town.broadcast("over UDP").values()), {"udp"}, "via")
    town.drop_both_ways()
    equal(set(town.broadcast("around the wall").values()), {"channel"}, "via while UDP is blocked")
    equal(set(town.broadcast(LARGE).values()), {"channel"}, "via while UDP is blocked, 60 KiB")
    town.mend()
    town.udp_is_back()


def test_one_way_is_lost(world):
    town = Town(world)
    equal(set(town.broadcast("over UDP").values()), {"udp"}, "via")
    town.drop("bob")       # He hears nothing, and is heard.
    town.drop("server", "-s", town.places["carol"][1])  # She hears, and is not heard: the channel brings her what she has.
    equal(town.broadcast("one way"), {"alice": "udp", "bob": "channel", "carol": "udp"}, "via")
    town.mend()
    town.udp_is_back()


def test_nobody_can_send_at_all(world):
    """What leaves is refused on the spot (EPERM): the relay counts it and goes on."""
    town = Town(world)
    town._iptables("server", "-A", "OUTPUT", "-p", "udp", "-j", "DROP")
    equal(set(town.broadcast("refused").values()), {"channel"}, "via")
    town._iptables("server", "-F", "OUTPUT")
    town.udp_is_back()


if __name__ == "__main__":
    harness.main(globals())
