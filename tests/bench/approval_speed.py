"""From an approval to the first word of the conversation, with the real programs on loopback: server, and twenty people whom alice
approves one after the other. Needs the environment of the end-to-end tests. Prints one JSON line; fails when the median is above
the budget.

The clock starts when alice's approval is written to her client, and stops when her first word is read from the other one; so the
server's commit of the introduction, both clients' files, the handshake and this script's reading of two pipes are in it."""
import json
import statistics
import time

import harness
from harness import check

PEOPLE = 20
BUDGET_MS = 30


def main(world):
    server = world.server()
    alice = world.member(server, "alice")
    took = []
    for number in range(PEOPLE):
        name = f"guest{number:02d}"
        guest = world.member(server, name)
        guest.send(cmd="request", peer="alice", reason="hello")
        asked = alice.expect("peer_request", **{"from": name})
        start = time.monotonic()
        alice.send(cmd="approve", request_id=asked["request_id"])
        alice.expect("chat_open", peer=name)
        alice.send(cmd="msg", peer=name, text="welcome")
        guest.expect("chat", peer="alice")
        took.append((time.monotonic() - start) * 1000)
        guest.send(cmd="quit")
    median, most = statistics.median(took), max(took)
    print(json.dumps({"bench": "approval_speed", "people": PEOPLE, "median_ms": round(median, 1), "max_ms": round(most, 1),
                      "ok": median <= BUDGET_MS}), flush=True)
    check(median <= BUDGET_MS, f"from approval to first word: {median:.1f} ms, budget {BUDGET_MS}")


if __name__ == "__main__":
    with harness.world() as place:
        main(place)
