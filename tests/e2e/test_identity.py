"""A peer's key stands beside his name, above all when it is another one than before."""
import shutil

import harness
from harness import check, equal


def ask(asker, asked):
    asker.send(cmd="request", peer=asked.name)
    asked.send(cmd="approve", request_id=asked.expect("peer_request", **{"from": asker.name})["request_id"])


def test_another_key_is_seen_wherever_the_name_is_shown(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    ask(alice, bob)
    equal(alice.expect("chat_open", peer="bob")["identity"], "unverified", "the first time")
    alice.send(cmd="verified", peer="bob")
    equal(alice.expect("identity", peer="bob")["state"], "verified", "after the numbers were compared")
    # Somebody with bob's password, or bob on another machine.
    bob.kill()
    check(not alice.expect("chat_closed", peer="bob")["for_good"], "the conversation goes on")
    shutil.rmtree(world.path("bob"))
    other = world.client(server, "bob")
    other.log_in("bob", "bob-password")
    other.send(cmd="request", peer="alice")
    request = alice.expect("peer_request")
    equal(request["identity"], "verified", "of the key that is known: none is proven yet")
    alice.send(cmd="approve", request_id=request["request_id"])
    check("/trust bob" in alice.expect("error", code="FAILED_PRECONDITION")["message"], "says what to do")
    equal(alice.expect("identity", peer="bob")["state"], "changed", "told by itself")
    alice.send(cmd="path", peer="bob")
    equal(alice.expect("path")["identity"], "changed", "the path")
    alice.send(cmd="trust", peer="bob")
    equal(alice.expect("identity", peer="bob")["state"], "unverified", "a new key is not verified")
    alice.send(cmd="path", peer="bob")
    equal(alice.expect("path")["identity"], "unverified", "the path")


if __name__ == "__main__":
    harness.main(globals())
