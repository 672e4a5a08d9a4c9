"""M6: ask by name or address; approved, they talk without the server; else the asker learns why not."""

import harness
from harness import equal


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
    server.pause()
    exchange(bob, alice, "bob", "alice", 20, "paused")
    server.resume()
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



if __name__ == "__main__":
    harness.main(globals())
