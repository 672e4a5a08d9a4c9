"""A conversation outlives its programs: kill -9 of either client again and again, and cuts of the connection, with the server
stopped the whole time. Every line arrives, in order, once (but for replays that say so), without a new approval.

The short form kills 8 times during 200 lines and cuts 5 times; with P2P_LONG=1 it is 100 times during 2,000 lines, and 50 cuts."""
import random
import subprocess
import time

import harness
from harness import check, equal, scale

LINES, KILLS, CUTS = scale((200, 8, 5), (2000, 100, 50))
BACK = 5  # Seconds after the path is there again.
FAST = ("--set", "timing.peer_ping=1s")


def introduce(a, b):
    a.send(cmd="request", peer=b.name)
    b.send(cmd="approve", request_id=b.expect("peer_request", **{"from": a.name})["request_id"])
    for one, other in ((a, b), (b, a)):
        one.expect("chat_open", peer=other.name)


class Talker:
    """A user whose client is started again whenever it died, and who remembers what he said and saw."""

    def __init__(self, world, server, name, **where):
        self.world, self.server, self.name, self.where = world, server, name, where
        self.client = world.member(server, name, *FAST, **where)
        self.said, self.queued, self.seen, self.replayed = [], set(), [], 0
        self.opened = 0

    def say(self, text):
        """Counts as said once the client says that it is in the outbox."""
        self.client.send(cmd="msg", peer=self.peer, text=text)
        self.pending = text
        self.client.expect("receipt", state="queued")
        self.said.append(text)

    def take(self):
        """What has come so far."""
        for event in self.client.drain():
            if event.get("_taken"):
                continue
            event["_taken"] = True
            if event["event"] == "chat_open":
                self.opened += 1
            if event["event"] != "chat":
                continue
            if event["text"] in self.seen[-1:] and event.get("replayed"):
                self.replayed += 1
                continue
            check(not (event["text"] in self.seen and not event.get("replayed")), f"{self.name}: {event['text']} twice, unflagged")
            if event["text"] not in self.seen:
                self.seen.append(event["text"])

    def die_and_return(self):
        self.take()
        self.client.kill()
        # What it had printed before it died counts as seen.
        try:
            while self.client._pump(0.2):
                pass
        except Exception:  # Nothing more in the pipe.
            pass
        self.take()
        self.client = self.world.client(self.server, self.name, *FAST, **self.where)


def await_lines(people, timeout):
    a, b = people
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        a.take()
        b.take()
        if len(a.seen) >= len(b.said) and len(b.seen) >= len(a.said):
            return
        time.sleep(0.02)  # Both pipes are watched.
    raise harness.Failure(f"{a.name} has {len(a.seen)} of {len(b.said)} lines, {b.name} {len(b.seen)} of {len(a.said)}")


def both(world, server, **where):
    a, b = (Talker(world, server, n, **where.get(n, {})) for n in ("alice", "bob"))
    a.peer, b.peer = "bob", "alice"
    introduce(a.client, b.client)
    return a, b


def apart_without_a_server(world):
    """Two who talk, each in a namespace, and the server gone: (places, alice, bob)."""
    harness.need_namespaces()
    places = world.network(["server", "alice", "bob"])
    server = world.server(listen="[::]:4400", relay="[::]:4400", namespace=places["server"][0])
    where = {n: {"host": places["server"][1], "namespace": places[n][0]} for n in ("alice", "bob")}
    a, b = both(world, server, **where)
    server.kill()
    return places, a, b


def check_lines(a, b):
    equal(b.seen, a.said, "what bob saw of alice")
    equal(a.seen, b.said, "what alice saw of bob")


def test_clients_die_again_and_again(world):
    server = world.server()
    a, b = both(world, server)
    server.kill()  # For the whole run.
    dice = random.Random(5)
    kills = set(dice.sample(range(1, LINES), KILLS))
    slowest = 0
    for number in range(LINES):
        (a if dice.random() < 0.5 else b).say(f"line {number}")
        if number in kills:
            who = a if dice.random() < 0.5 else b
            who.die_and_return()
            back = time.monotonic()
            who.client.expect("chat_open", reopened=True, timeout=BACK)
            slowest = max(slowest, time.monotonic() - back)
    await_lines((a, b), 60 + LINES / 15)
    check_lines(a, b)
    check(not a.client.seen("peer_request") and not b.client.seen("peer_request"), "no new approval")
    print(f"        {KILLS} kills, {LINES} lines; back after at most {slowest:.1f} s", flush=True)


def test_the_connection_is_cut_again_and_again(world):
    places, a, b = apart_without_a_server(world)
    dice = random.Random(7)
    slowest = 0
    for cut in range(CUTS):
        opened = b.opened
        for number in range(4):
            (a if number % 2 else b).say(f"cut {cut} line {number}")
        # Every established connection of bob's is reset, in the middle of it.
        subprocess.run(["ip", "netns", "exec", places["bob"][0], "ss", "-K", "state", "established"], capture_output=True, check=True)
        (a if dice.random() < 0.5 else b).say(f"cut {cut} last")
        since = time.monotonic()
        await_lines((a, b), BACK)
        slowest = max(slowest, time.monotonic() - since)
        harness.wait_for("it was cut, and is open again", lambda: (b.take(), b.opened > opened)[1], timeout=BACK)
    check_lines(a, b)
    print(f"        {CUTS} cuts; all lines there after at most {slowest:.1f} s", flush=True)


def test_a_path_that_goes_silent_comes_back(world):
    places, a, b = apart_without_a_server(world)
    a.say("before")
    world._ip("-n", places["bob"][0], "link", "set", "eth0", "down")
    for number in range(5):
        a.say(f"into the void {number}")
    a.client.expect("chat_closed", peer="bob", timeout=20)
    world._ip("-n", places["bob"][0], "link", "set", "eth0", "up")
    since = time.monotonic()
    await_lines((a, b), BACK)
    check_lines(a, b)
    print(f"        all lines there {time.monotonic() - since:.1f} s after the path", flush=True)


def test_both_get_another_address(world):
    """The server is up and sees where they are now; neither is where the introduction said."""
    harness.need_namespaces()
    places = world.network(["server", "alice", "bob"])
    server = world.server(listen="[::]:4400", relay="[::]:4400", namespace=places["server"][0])
    quick = ("--set", "timing.client_keepalive=2s", "--set", "timing.client_keepalive_timeout=2s")
    people = {n: world.member(server, n, *FAST, *quick, host=places["server"][1], namespace=places[n][0]) for n in ("alice", "bob")}
    introduce(*people.values())
    for number, (name, (namespace, address)) in enumerate(list(places.items())[1:]):
        world._ip("-n", namespace, "addr", "del", f"{address}/24", "dev", "eth0")
        world._ip("-n", namespace, "addr", "add", f"10.44.0.{100 + number}/24", "dev", "eth0")
    for name, person in people.items():
        person.expect("chat_closed", timeout=30)
        person.expect("logged_in", resumed=True, timeout=60)
    people["alice"].send(cmd="msg", peer="bob", text="found you")
    equal(people["bob"].expect("chat", timeout=60)["text"], "found you", "text")
    people["alice"].send(cmd="path", peer="bob")
    check("10.44.0.10" in people["alice"].expect("path", open=True)["path"], "over the new address")


if __name__ == "__main__":
    harness.main(globals())
