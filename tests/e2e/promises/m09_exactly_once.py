"""Exactly once to everybody due, also across a crash, and nothing after the deadline: M9."""
import json
import os
import subprocess
import time
from datetime import datetime

import harness
from harness import check, equal


def ms(rfc3339):
    return int(datetime.fromisoformat(rfc3339.replace("Z", "+00:00")).timestamp() * 1000)


class Person:
    """A member over time: its processes, when each was attached, what was shown."""

    def __init__(self, world, server, name, *args):
        self.world, self.server, self.name, self.args = world, server, name, args
        self.active, self.shown, self.client = [], [], None

    def join(self):
        first = not self.active
        self.client = self.world.client(self.server, self.name, *self.args)
        if first:
            self.client.expect("connected", timeout=60)
            self.client.sign_up(self.name, "a good password")
            event = self.client.log_in(self.name, "a good password")
        else:
            event = self.client.expect("logged_in", timeout=60)
        self.active.append([int(event["_seen"] * 1000), None])
        return self

    def leave(self):
        self.active[-1][1] = int(time.time() * 1000)
        self.client.send(cmd="quit")
        self.client.wait()
        self.collect()

    def collect(self):
        self.shown += [{"id": e["id"], "at_ms": int(e["_seen"] * 1000)} for e in self.client.seen("broadcast")]
        self.client = None

    def finish(self):
        if self.client:
            self.active[-1][1] = int(time.time() * 1000)
            self.collect()
        return {"name": self.name, "active": self.active, "shown": self.shown}


def ledger(world, broadcasts, people, due_min_ms):
    path = world.path("ledger.json")
    with open(path, "w") as file:
        json.dump({"due_min_ms": due_min_ms, "broadcasts": broadcasts, "clients": [p.finish() for p in people]}, file)
    run = subprocess.run([os.path.join(world.bin, "ledger-check"), path], capture_output=True, text=True)
    check(run.returncode == 0, f"ledger: {run.stdout}{run.stderr}")


def test_the_channel_carries_what_udp_cannot(world):
    server = world.server("--set", "timing.channel_fallback=300ms", relay="none")
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    alice.send(cmd="broadcast", text="by the channel")
    sent = alice.expect("broadcast_sent")
    equal(bob.expect("broadcast", id=sent["id"])["via"], "channel", "via")


def test_a_large_broadcast_arrives_whole(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    text = "".join(f"line {n:05} of a long announcement\n" for n in range(1800))[:60 * 1024]
    alice.send(cmd="broadcast", text=text)
    equal(bob.expect("broadcast")["text"], text, "60 KiB")


def test_twenty_people_come_and_go(world):
    retention = harness.scale(25, 30 * 60)
    server = world.server("--set", f"timing.retention={retention}s", "--set", "timing.detach_grace=500ms")
    people = {f"p{n:02}": Person(world, server, f"p{n:02}") for n in range(20)}
    names = list(people)
    present, late, returning, too_late = names[:11], names[11:16], names[16:19], names[19]
    for name in present + returning:
        people[name].join()
    for name in returning:
        people[name].leave()
    broadcasts = []

    def send(sender, text):
        client = people[sender].client
        client.send(cmd="broadcast", text=text)
        sent = client.expect("broadcast_sent")
        own = client.expect("broadcast", id=sent["id"])
        broadcasts.append({"id": sent["id"], "sent_at_ms": ms(own["sent_at"]), "expires_at_ms": ms(sent["expires_at"])})

    send("p00", "first")
    send("p01", "second")
    for name in late:
        people[name].join()
    for name in returning:
        people[name].join()
    send("p02", "third")
    for broadcast in broadcasts:
        for name in present + late + returning:
            client = people[name].client
            harness.wait_for(f"{name} reads {broadcast['id']}", lambda: client.seen("broadcast", id=broadcast["id"]))
    last = max(b["expires_at_ms"] for b in broadcasts) / 1000
    harness.wait_for("the last broadcast expires", lambda: time.time() > last + 0.5, timeout=retention + 30)
    people[too_late].join()
    people[too_late].client.send(cmd="list")
    people[too_late].client.expect("active")
    ledger(world, broadcasts, people.values(), due_min_ms=3000)


def test_kill_9_between_ok_and_delivery(world):
    server = world.server("--set", "timing.retention=20s", "--set", "timing.detach_grace=500ms")
    fast = ("--set", "timing.reconnect_first=200ms", "--set", "timing.reconnect_max=1s")
    people = [Person(world, server, name, *fast).join() for name in ("alice", "bob", "carol", "dave")]
    alice, others = people[0], people[1:]
    for person in others:
        person.client.pause()
    alice.client.send(cmd="broadcast", text="survives the crash")
    sent = alice.client.expect("broadcast_sent")
    server.kill()
    server = world.server("--set", "timing.retention=20s", listen=f"127.0.0.1:{server.port}",
                          relay=f"127.0.0.1:{server.relay_port}")
    for person in others:
        person.client.resume()
    for person in people:
        got = person.client.expect("broadcast", id=sent["id"], timeout=30)
        equal(got["expires_at"], sent["expires_at"], "the original deadline")
    expiry = ms(sent["expires_at"]) / 1000
    harness.wait_for("the broadcast expires", lambda: time.time() > expiry + 0.2, timeout=40)
    late = world.member(server, "late")
    late.send(cmd="list")
    late.expect("active")
    for person in people:
        equal(len(person.client.seen("broadcast", id=sent["id"])), 1, f"{person.name} was shown it")
    equal(late.seen("broadcast"), [], "nobody gets it after its deadline")


if __name__ == "__main__":
    harness.main(globals())
