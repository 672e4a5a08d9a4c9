"""Who hears that a message was read, and where a person sees it."""
import harness
from harness import check
from terminal import expect, finish, open_terminal, sign_up_and_log_in, trust


def talk(world, server, *bob_options):
    """alice and bob in a conversation that bob approved."""
    alice, bob = world.member(server, "alice"), world.member(server, "bob", *bob_options)
    alice.send(cmd="request", peer="bob")
    bob.send(cmd="approve", request_id=bob.expect("peer_request")["request_id"])
    for person, peer in ((alice, "bob"), (bob, "alice")):
        person.expect("chat_open", peer=peer, identity="unverified")
    return alice, bob


def say(sender, receiver, text):
    """Returns the message's id once the receiver has shown it."""
    sender.send(cmd="msg", peer=receiver.name, text=text)
    sent = sender.expect("receipt", state="queued")["id"]
    receiver.expect("chat", text=text)
    return sent


def test_a_message_that_was_shown_is_delivered_and_read(world):
    alice, bob = talk(world, world.server())
    sent = say(alice, bob, "lunch?")
    for state in ("delivered", "read"):
        alice.expect("receipt", id=sent, state=state)


def test_who_does_not_want_to_tell_tells_nobody_what_was_read(world):
    config = world.path("bob.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write("read_receipts = false\n")
    alice, bob = talk(world, world.server(), "--config", config)
    sent = say(alice, bob, "lunch?")
    alice.expect("receipt", id=sent, state="delivered")
    answer = say(bob, alice, "yes")  # Sent after the question was shown: a receipt would be here before it.
    bob.expect("receipt", id=answer, state="read")
    check(not alice.seen("receipt", state="read"), f"alice heard: {alice.events}")


def test_a_person_sees_in_the_prompt_how_far_the_last_line_got(world):
    server = world.server()
    alice = open_terminal(world, server, "alice")
    trust(alice, server)
    sign_up_and_log_in(alice, "alice", "alice-secret-word")
    bob = world.member(server, "bob")
    bob.send(cmd="request", peer="alice")
    expect(alice, "Accept? y or n")
    alice.sendline("y")
    expect(alice, "alice -> bob (unverified)> ")
    alice.sendline("noon at the harbour")
    bob.expect("chat", text="noon at the harbour")
    expect(alice, "alice -> bob (unverified, read)> ")
    finish(alice)


if __name__ == "__main__":
    harness.main(globals())
