"""Requests end with one outcome that both sides are told, also when the server dies while they are open."""
import os

import harness
import test_oneshot
from harness import check, equal


def restarted(world, server):
    """The server is gone from one moment to the next, and comes back on its data and port."""
    server.kill()
    return world.server(listen=f"127.0.0.1:{server.port}")


def outcomes(client, request_id):
    return [e["outcome"] for e in client.events if e["event"] == "request_outcome" and e["request_id"] == request_id]


def test_a_server_that_crashes_makes_open_requests_unavailable_for_both(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    alice.send(cmd="request", peer="bob", reason="lunch?")
    request = alice.expect("request_sent")["request_id"]
    bob.expect("peer_request", request_id=request)
    restarted(world, server)
    for person in (alice, bob):
        equal(person.expect("request_outcome", request_id=request)["outcome"], "unavailable", person.name)
        person.send(cmd="requests")
        left = person.expect("requests")
        equal((left["incoming"], left["outgoing"]), ([], []), "what is open")
    # One that is asked now is another one, and the old one has had its word.
    alice.send(cmd="request", peer="bob")
    again = alice.expect("request_sent")["request_id"]
    bob.send(cmd="approve", request_id=bob.expect("peer_request", request_id=again)["request_id"])
    for person, peer in ((alice, "bob"), (bob, "alice")):
        person.expect("chat_open", peer=peer)
        equal(outcomes(person, request), ["unavailable"], f"{person.name} heard once")
        equal(outcomes(person, again), ["approved"], f"{person.name} heard once")


def test_a_one_shot_that_waits_for_an_answer_ends_when_the_server_has_forgotten_it(world):
    server = world.server()
    test_oneshot.enter(world, server, "alice")
    bob = world.member(server, "bob")
    argv = [os.path.join(world.bin, "peer-client"), "request", "--data-dir", world.path("alice"), "bob", "-o", "jsonl"]
    asking = world.add(harness.drive.Process(argv))
    bob.expect("peer_request", **{"from": "alice"})
    harness.wait_for("the server's answer", lambda: any('"request_sent"' in line for line in asking.out))
    restarted(world, server)
    equal(asking.wait(), 1, f"exit code; stderr {asking.err}")
    check(any("unavailable" in line for line in asking.err), f"says what became of it: {asking.err}")


if __name__ == "__main__":
    harness.main(globals())
