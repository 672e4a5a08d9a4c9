"""Sessions outlive their access tokens, and end when somebody ends them."""
import json
import os
import time

import harness
import test_admin
from harness import Failure, Raw, check, equal, wait_for
from p2p.v1 import accounts_pb2

SHORT = ("--set", "timing.access_token=4s")


def listed(client):
    client.send(cmd="list")
    return [c["username"] for c in client.expect("active")["clients"]]


def saved(world, name):
    """(path, content) of the client's saved session."""
    for folder, _, files in os.walk(world.path(name)):
        if "session.json" in files:
            path = os.path.join(folder, "session.json")
            with open(path) as file:
                return path, json.load(file)
    raise Failure("no session is saved")


def await_renewals(world, name, count):
    tokens = set()

    def renewed():
        tokens.add(saved(world, name)[1]["token"])
        return len(tokens) > count
    wait_for(f"{count} renewals", renewed)


def await_expiry(world, name):
    _, session = saved(world, name)
    wait_for("the token is over", lambda: time.time() * 1000 > session["expires_at_ms"] + 100)


def test_a_client_stays_attached_beyond_its_tokens_life(world):
    server = world.server(*SHORT)
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    await_renewals(world, "alice", 3)
    equal(sorted(listed(alice)), ["alice", "bob"], "the list")
    bob.send(cmd="broadcast", text="still here?")
    equal(alice.expect("broadcast")["text"], "still here?", "text")
    check(not alice.seen("retry") and not alice.seen("error"), f"alice noticed: {alice.events}")


def test_a_client_that_was_away_comes_back_without_a_password(world):
    server = world.server(*SHORT)
    alice = world.member(server, "alice")
    alice.kill()
    await_expiry(world, "alice")
    again = world.client(server, "alice")
    equal(again.expect("logged_in", username="alice")["resumed"], True, "resumed")
    equal(listed(again), ["alice"], "the list")


def test_a_new_password_ends_the_other_sessions(world):
    server = world.server()
    alice = world.member(server, "alice")
    raw = Raw(server)
    token = raw.log_in("alice", "alice-password")
    raw.accounts.ChangePassword(
        accounts_pb2.ChangePasswordRequest(old_password="alice-password", new_password="another password",
                                           confirm_password="another password"), metadata=token, timeout=10)
    alice.expect("error", code="UNAUTHENTICATED")
    alice.expect("connected")
    _, session = saved(world, "alice")
    equal((session["token"], session["resume_token"]), ("", ""), "what is left on her disk")
    alice.log_in("alice", "another password")
    equal(listed(alice), ["alice"], "the list")


def test_the_operator_ends_the_session_of_somebody_who_is_away(world):
    server = world.server(*SHORT)
    alice = world.member(server, "alice")
    alice.stop()
    await_expiry(world, "alice")  # What is left is the right to renew.
    sessions = test_admin.listed(world, server.data_dir, "session", "list")
    equal([(s["username"], s["attached"]) for s in sessions], [("alice", False)], "sessions")
    equal(test_admin.operate(world, server.data_dir, "session", "kick", "alice"), "ended 1 of alice\n", "kick")
    equal(test_admin.listed(world, server.data_dir, "session", "list"), [], "sessions afterwards")
    again = world.client(server, "alice")
    again.expect("error", code="UNAUTHENTICATED")
    check(not again.seen("logged_in"), "no password was asked for")


def test_a_stolen_copy_of_the_session_is_found_out(world):
    server = world.server(*SHORT)
    alice = world.member(server, "alice")
    path, first = saved(world, "alice")
    await_renewals(world, "alice", 2)
    alice.stop()
    await_expiry(world, "alice")
    with open(path, "w") as file:  # The thief presents what he copied; he even has the device's key.
        json.dump(first, file)
    thief = world.client(server, "alice")
    thief.expect("error", code="UNAUTHENTICATED")
    thief.expect("connected")
    check(not thief.seen("logged_in"), f"the thief is in: {thief.events}")


if __name__ == "__main__":
    harness.main(globals())
