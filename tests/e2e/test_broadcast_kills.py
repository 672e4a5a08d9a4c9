"""kill -9 at random points: of the server while a broadcast is being made and delivered, of a relay process under load. Everybody
who is due sees each broadcast once, the ledger says the same, no key seals twice under one nonce, and clients are back soon. A failure
names the seed that chose the points: P2P_SEED repeats it."""
import os
import random
import time

import harness
from harness import check, equal, scale, wait_for
from relay_capture import DATA, REGISTERED, Recording
from test_udp_relay import start

SEED = int(os.environ.get("P2P_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
FAST = ("--set", "timing.reconnect_first=200ms", "--set", "timing.reconnect_max=1s")
# Nothing ends for want of time on a slow machine, and the window for newcomers stays open throughout.
PATIENT = ("--set", "timing.detach_grace=2s")
BACK = 3  # Seconds in which 95 % are back: by the product's own schedule, so these clients run with no other.


def announce(sender, text):
    sender.send(cmd="broadcast", text=text)
    return sender.expect("broadcast_sent", timeout=60)["id"]


def once(people, sent):
    """Everybody was shown each broadcast exactly once, apart from what a client itself says it may have shown before, and the ledger
    says of each that everybody has it. SENT: (sender, id)."""
    ids = [broadcast for _, broadcast in sent]
    equal(len(set(ids)), len(ids), f"ids (seed {SEED})")
    for person in people:
        wait_for(f"{person.name} reads all (seed {SEED})", lambda: set(ids) <= {e["id"] for e in person.seen("broadcast")})
    for person in people:
        shown = [e["id"] for e in person.seen("broadcast") if not e.get("replayed")]
        equal(sorted(shown), sorted(ids), f"what {person.name} was shown (seed {SEED})")
    names = sorted(person.name for person in people)
    for sender, broadcast in sent:
        # The last receipts may be on their way.
        status = wait_for(f"the ledger has every receipt of {broadcast} (seed {SEED})", lambda: complete(sender, broadcast))
        equal(sorted(d["username"] for d in status["deliveries"]), names, f"whom the ledger names (seed {SEED})")
        equal((status["due"], status["delivered"]), (len(names), len(names)), f"what the ledger counts (seed {SEED})")


def complete(sender, broadcast):
    """What the server says of it, once everybody who is due has it. A sender who is not back yet is told so, and asks again."""
    answers, errors = len(sender.seen("broadcast_status")), len(sender.seen("error"))
    sender.send(cmd="broadcast_status", id=broadcast)
    wait_for(f"an answer about {broadcast}",
             lambda: len(sender.seen("broadcast_status")) > answers or len(sender.seen("error")) > errors)
    told = sender.seen("broadcast_status")[answers:]
    return told[0] if told and all(d["state"] in ("udp", "channel") for d in told[0]["deliveries"]) else None


def no_nonce_twice(recording):
    """Judges last: a machine that cannot record has shown all else by then."""
    if recording.reason:
        raise harness.missing(f"all but the capture was shown: {recording.reason}")
    use = recording.judge()
    check(use.counts[DATA] > 0 and use.counts[REGISTERED] > 0, f"the capture holds what is judged: {use.counts}")
    # A client may fail to send what it sealed for a relay that is dead; more than that would mean that the capture is not read right.
    check(use.missing() <= 10 + use.counts[DATA] / 20, f"{use.missing()} numbers are not in the capture, of {use.counts}")
    equal(use.findings[:5], [], f"keys that sealed twice under one nonce (seed {SEED})")
    print(f"        {use.counts[DATA]} datagrams under the keys of {use.counts[REGISTERED]} REGISTERED, {use.missing()} not sent, "
          "no nonce twice", flush=True)


def back_after(people, since):
    """Seconds after SINCE (of time.time()) at which 95 % of them were attached anew."""
    def attached():
        return [events[0]["_seen"] for person in people if (events := [e for e in person.seen("logged_in") if e["_seen"] > since])]
    wait_for(f"95 % are back (seed {SEED})", lambda: len(attached()) >= 0.95 * len(people), timeout=60)
    return sorted(attached())[-(-95 * len(people) // 100) - 1] - since


def again(world, server, *args):
    return world.server(*args, listen=f"127.0.0.1:{server.port}", relay=f"127.0.0.1:{server.relay_port}")


def test_the_server_dies_at_random_points_of_a_broadcast(world):
    chance = random.Random(SEED)
    server = world.server(*PATIENT)
    recording = Recording(world, server.relay_port)
    people = [world.member(server, name, *FAST) for name in ("alice", "bob", "carol", "dave")]
    sent = []
    for number in range(scale(6, 200)):
        sender = chance.choice(people)
        sender.send(cmd="broadcast", text=f"number {number}" + "x" * chance.choice((0, 0, 3000, 50_000)))
        time.sleep(chance.uniform(0, 0.03))  # The point at which it dies.
        server.kill()
        server = again(world, server, *PATIENT)
        # Its answer was lost or never given: the client asks again with the same key.
        sent.append((sender, sender.expect("broadcast_sent", timeout=60)["id"]))
        for person in people:
            person.expect("broadcast", id=sent[-1][1], timeout=60)
    once(people, sent)
    no_nonce_twice(recording)


def test_all_are_back_soon_after_the_server_died(world):
    chance = random.Random(SEED)
    server = world.server()
    recording = Recording(world, server.relay_port)
    people = [world.member(server, f"person{number}") for number in range(scale(8, 200))]
    sent, back = [], []
    for _ in range(scale(1, 10)):
        sender = chance.choice(people)
        sent.append((sender, announce(sender, "then the server dies" + "z" * chance.choice((0, 20_000)))))
        time.sleep(chance.uniform(0, 0.3))
        server.kill()
        killed = time.time()
        server = again(world, server)
        up = time.time() - killed
        back.append((back_after(people, killed), up))
        for person in people:  # Those of the last 5 % too.
            wait_for(f"{person.name} is back (seed {SEED})", lambda: person.seen("logged_in")[-1]["_seen"] > killed, timeout=60)
    print(f"        {len(people)} clients, {len(back)} kills; 95 % were attached {max(back)[0]:.1f} s after it at most "
          f"(the server needed up to {max(up for _, up in back):.1f} s to start)", flush=True)
    once(people, sent)
    check(max(back)[0] <= BACK, f"95 % were back after {max(back)[0]:.1f} s (seed {SEED})")
    no_nonce_twice(recording)


def test_a_relay_process_dies_under_load(world):
    chance = random.Random(SEED)
    server, token, relay = start(world, *PATIENT)
    recording = Recording(world, relay.port)
    people = [world.member(server, f"person{number}") for number in range(scale(8, 200))]
    sent, back = [], []

    def send(text):
        sender = chance.choice(people)
        sent.append((sender, announce(sender, text)))
        return sent[-1][1]

    for _ in range(scale(2, 30)):
        until = time.monotonic() + scale(1.5, 10)
        while time.monotonic() < until:
            send("load " + "y" * chance.choice((0, 20_000)))
            time.sleep(chance.uniform(0, scale(0.3, 1)))
        relay.kill()
        killed = time.monotonic()
        relay = world.relay(server, token, listen=relay.address).await_ready()
        by_datagram = 0
        while by_datagram < 0.95 * len(people):
            check(time.monotonic() - killed < 30, f"only {by_datagram} of {len(people)} are back (seed {SEED})")
            probe = send("who is back?")
            by_datagram = sum(person.expect("broadcast", id=probe)["via"] == "udp" for person in people)
        back.append(time.monotonic() - killed)
    print(f"        {len(people)} clients, {len(sent)} broadcasts, {len(back)} kills; 95 % were back with the relay after "
          f"{max(back):.1f} s at most", flush=True)
    once(people, sent)
    check(max(back) <= BACK, f"95 % were back after {max(back):.1f} s (seed {SEED})")
    no_nonce_twice(recording)


if __name__ == "__main__":
    harness.main(globals())
