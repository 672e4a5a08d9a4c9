"""What a user sees of the penalties for his own invalid requests."""
import time
from datetime import datetime

import harness
import test_admin
from harness import Raw, check, equal
from p2p.v1 import accounts_pb2


def offend(client):
    client.send(cmd="request", peer="nobody-of-that-name")
    client.expect("penalised")
    client.expect("connected")


def penalties(client):
    client.send(cmd="penalties")
    return client.expect("penalties")["penalties"]


def at(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_a_user_sees_his_own_penalties_also_after_a_restart(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    equal(penalties(alice), [], "before any offence")
    before = time.time()
    offend(alice)
    alice.send(cmd="penalties")
    equal(alice.expect("error")["code"], "UNAUTHENTICATED", "without a session")
    alice.log_in("alice", "alice-password")

    (entry,) = penalties(alice)
    check("no user of that name" in entry["reason"], f"the reason: {entry}")
    check("nobody-of-that-name" not in str(entry), f"what was typed is not kept: {entry}")
    check(before - 1 <= at(entry["start"]) <= time.time() + 1, f"the start: {entry}")
    equal(entry["end"], entry["start"], "no cool-down the first time")
    equal((entry["next_step"] != "", entry["count"]), (True, 1), "what to do, and how many")
    equal(penalties(bob), [], "what bob sees")
    alice.line("/penalties")
    equal(alice.expect("penalties")["penalties"], [entry], "the slash form")

    server.stop()
    server = world.server(listen=f"127.0.0.1:{server.port}")
    alice.expect("logged_in", username="alice")
    equal(penalties(alice), [entry], "after a restart")
    equal(test_admin.operate(world, server.data_dir, "penalty", "lift", "alice"), "lifted alice\n", "the operator")
    equal(penalties(alice), [], "lifted")


def test_a_cool_down_has_an_end_and_the_count_grows(world):
    server = world.server("--set", "timing.penalty_cooldown=1s")
    alice = world.member(server, "alice")
    for _ in range(2):
        offend(alice)
        alice.log_in("alice", "alice-password")
    offend(alice)
    alice.log_in("alice", "alice-password")  # Refused, waits out the cool-down and repeats by itself.
    (entry,) = penalties(alice)
    check(0.99 <= at(entry["end"]) - at(entry["start"]) <= 1.01, f"a second: {entry}")
    equal(entry["count"], 3, "how many count")


def test_a_refused_log_in_says_how_long_whatever_the_clocks_say(world):
    import grpc
    from google.rpc import error_details_pb2, status_pb2
    server = world.server()
    alice = world.member(server, "alice")
    for _ in range(2):
        offend(alice)
        alice.log_in("alice", "alice-password")
    offend(alice)
    raw = Raw(server)
    try:
        raw.log_in("alice", "alice-password")
    except grpc.RpcError as error:
        details = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"]).details
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    check(details[0].Unpack(info) and details[1].Unpack(retry), f"details: {details}")
    equal(info.reason, "PENALTY", "reason")
    check(50 <= retry.retry_delay.seconds <= 60, f"wait {retry.retry_delay.seconds} s")
    raw.close()


def test_the_call_shows_nothing_of_others(world):
    server = world.server()
    alice = world.member(server, "alice")
    offend(alice)
    raw = Raw(server)
    raw.sign_up("eve", "a good password")
    token = raw.log_in("eve", "a good password")
    equal(len(raw.accounts.ListMyPenalties(accounts_pb2.ListMyPenaltiesRequest(), metadata=token, timeout=10).penalties), 0,
          "what eve sees")
    raw.close()


if __name__ == "__main__":
    harness.main(globals())
