"""M5: the list holds username and address and nothing else, also on the wire; who vanished is off it within 45 s."""

import harness
from harness import equal


def test_an_entry_has_exactly_two_fields(world):
    server = world.server()
    alice = world.member(server, "alice")
    world.member(server, "bob")
    alice.send(cmd="list")
    clients = alice.expect("active")["clients"]
    equal([c["username"] for c in clients], ["alice", "bob"], "active clients")
    for entry in clients:
        equal(sorted(entry), ["ip_address", "username"], "fields of an entry")


def test_nothing_else_is_on_the_wire(world):
    from p2p.v1 import directory_pb2
    server = world.server()
    world.member(server, "bob")
    raw = harness.Raw(server)
    raw.sign_up("alice", "a good password")
    token = raw.log_in("alice", "a good password")
    answer = raw.channel.unary_unary("/p2p.v1.DirectoryService/ListActive")  # The bytes themselves.
    name, address = b"bob", b"127.0.0.1"
    entry = bytes([0x0A, len(name)]) + name + bytes([0x12, len(address)]) + address
    equal(answer(directory_pb2.ListActiveRequest().SerializeToString(), metadata=token, timeout=10),
          bytes([0x0A, len(entry)]) + entry, "the whole answer")
    raw.close()


def test_the_reflected_entry_has_exactly_two_fields(world):
    raw = harness.Raw(world.server())
    file = raw.reflected("p2p.v1.ActiveClient")
    entry = next(m for m in file.message_type if m.name == "ActiveClient")
    equal([f.name for f in entry.field], ["username", "ip_address"], "fields of an entry, by reflection")
    raw.close()


def test_a_client_that_vanished_leaves_the_list(world):
    server = world.server("--set", "timing.detach_grace=1s")
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    bob.kill()

    def listed():
        alice.send(cmd="list")
        return [c["username"] for c in alice.expect("active")["clients"]]
    harness.wait_for("bob is off the list", lambda: listed() == ["alice"])


def test_a_silent_client_leaves_the_list_within_45_seconds(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    bob.pause()

    def listed():
        alice.send(cmd="list")
        return [c["username"] for c in alice.expect("active")["clients"]]
    harness.wait_for("bob is off the list", lambda: listed() == ["alice"], timeout=45)


if __name__ == "__main__":
    harness.main(globals())
