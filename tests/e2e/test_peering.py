"""Ask, approve, talk directly; and what is punished: M6, M7."""
import signal

import harness
from harness import check, equal


def ask(requester, target, peer, **fields):
    requester.send(cmd="request", peer=peer, **fields)
    sent = requester.expect("request_sent")
    event = target.expect("peer_request", request_id=sent["request_id"])
    return event


def open_chat(a, b, a_name, b_name, peer=None):
    event = ask(a, b, peer or b_name, reason="hello")
    equal(event["from"], a_name, "asker")
    b.send(cmd="approve", request_id=event["request_id"])
    a.expect("request_outcome", outcome="approved")
    b.expect("request_outcome", outcome="approved")
    a.expect("chat_open", peer=b_name)
    b.expect("chat_open", peer=a_name)


def exchange(a, b, a_name, b_name, count, tag):
    for number in range(count):
        a.send(cmd="msg", peer=b_name, text=f"{tag} {number}")
    for number in range(count):
        equal(b.expect("chat", peer=a_name)["text"], f"{tag} {number}", "in order")
    for _ in range(count):
        a.expect("receipt", peer=b_name, state="delivered")


def test_chat_by_name_goes_on_without_the_server(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    open_chat(alice, bob, "alice", "bob")
    exchange(alice, bob, "alice", "bob", 20, "before")
    server.signal(signal.SIGSTOP)
    exchange(bob, alice, "bob", "alice", 20, "paused")
    server.signal(signal.SIGCONT)
    server.kill()
    exchange(alice, bob, "alice", "bob", 20, "gone")
    alice.send(cmd="quit")
    bob.expect("chat_closed", peer="alice")


def test_chat_by_address(world):
    harness.need_namespaces()
    places = world.network(["server", "alice", "bob"])
    server = world.server(listen="[::]:4400", relay="[::]:4400", namespace=places["server"][0])
    members = {n: world.member(server, n, host=places["server"][1], namespace=places[n][0]) for n in ("alice", "bob")}
    alice, bob = members["alice"], members["bob"]
    alice.send(cmd="list")
    equal({c["username"]: c["ip_address"] for c in alice.expect("active")["clients"]},
          {n: places[n][1] for n in members}, "addresses")
    open_chat(alice, bob, "alice", "bob", peer=places["bob"][1])
    server.kill()
    exchange(alice, bob, "alice", "bob", 10, "line")


def test_denied_expired_and_gone_are_told_apart(world):
    server = world.server("--set", "timing.request_expiry=2s", "--set", "timing.request_repeat=0s",
                          "--set", "timing.detach_grace=500ms")
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    bob.send(cmd="deny", request_id=ask(alice, bob, "bob")["request_id"])
    alice.expect("request_outcome", outcome="denied")
    ask(alice, bob, "bob")
    alice.expect("request_outcome", outcome="expired")
    bob.expect("request_outcome", outcome="expired")
    ask(alice, bob, "bob")
    bob.kill()
    alice.expect("request_outcome", outcome="unavailable")


def test_crossing_requests_become_one_conversation(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    ask(alice, bob, "bob")
    bob.send(cmd="request", peer="alice")
    alice.expect("chat_open", peer="bob")
    bob.expect("chat_open", peer="alice")
    exchange(alice, bob, "alice", "bob", 3, "line")


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
