"""M7: an invalid request costs the connection and the session; an honest mistake does not."""
import os
import time

import harness
from harness import check, equal


def test_a_raw_caller_has_the_status_first_and_then_no_connection(world):
    import grpc
    from p2p.v1 import peering_pb2
    server = world.server("--set", "timing.just_started=0s")
    neighbour = world.member(server, "neighbour")
    rows = [{"username": "nobody-here"}, {"username": "SINNER2"}, {"ip_address": "0.0.0.0"}, {"ip_address": "203.0.113.9"},
            {"ip_address": "garbage"}]
    for number, row in enumerate(rows):
        raw = harness.Raw(server)
        raw.sign_up(f"sinner{number + 1}", "a good password")
        token = raw.log_in(f"sinner{number + 1}", "a good password", device=True)
        states = []
        raw.channel.subscribe(lambda state: states.append((time.monotonic(), state)))
        request = peering_pb2.RequestPeerRequest(nonce=os.urandom(16), **row)
        asked = time.monotonic()
        try:
            raw.peering.RequestPeer(request, metadata=token, timeout=10)
            check(False, f"{row} was accepted")
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.PERMISSION_DENIED, f"status for {row}: {error.details()}")
        gone = harness.wait_for("the connection goes", lambda: [at for at, state in states if at > asked and
                                                                 state is not grpc.ChannelConnectivity.READY])
        check(gone[0] - asked < 1, f"{row}: closed {gone[0] - asked:.3f} s after asking")  # 200 ms: peering_test, each case.
        raw.close()
        again = harness.Raw(server)
        try:
            again.peering.RequestPeer(peering_pb2.RequestPeerRequest(nonce=os.urandom(16), username="neighbour"), metadata=token, timeout=10)
            check(False, "the token lives on")
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.UNAUTHENTICATED, "the token is dead")
        again.close()
    neighbour.send(cmd="list")
    equal([c["username"] for c in neighbour.expect("active")["clients"]], ["neighbour"], "the neighbour noticed nothing")
    check(not neighbour.seen("retry"), "the neighbour's connection was never lost")


def test_invalid_requests_are_penalised_and_honest_ones_are_not(world):
    server = world.server("--set", "timing.detach_grace=100ms", "--set", "timing.penalty_cooldown=1s",
                          "--set", "timing.just_started=0s")
    bystander = world.member(server, "bystander")
    sinner = world.member(server, "sinner")
    for target in ("nobody-here", "sinner", "0.0.0.0", "203.0.113.9", "not a name!"):
        sinner.send(cmd="request", peer=target)
        check(sinner.expect("penalised")["reason"], f"{target!r}: a reason is given")
        harness.wait_for("the sinner is back", lambda: relogin(sinner))
    gone = world.member(server, "gone")
    gone.send(cmd="quit")
    gone.wait()
    sinner.send(cmd="request", peer="gone")
    equal(sinner.expect("error")["code"], "NOT_FOUND", "an account that is not active")
    bystander.send(cmd="list")
    check("bystander" in [c["username"] for c in bystander.expect("active")["clients"]], "the neighbour was left alone")


def relogin(client):
    """True once the client is logged in again; a cool-down is waited for."""
    if client.seen("logged_in") and client.seen("logged_in")[-1]["_seen"] > client.seen("penalised")[-1]["_seen"]:
        return True
    client.send(cmd="login", username="sinner", password="sinner-password")
    try:
        client.expect("logged_in", timeout=1)
        return True
    except harness.Failure:
        return False


if __name__ == "__main__":
    harness.main(globals())
