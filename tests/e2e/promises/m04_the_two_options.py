"""M4: after log-in the server offers two things, and the terminal shows them literally."""
import harness
import terminal
from harness import equal


def test_the_server_offers_two_things(world):
    server = world.server()
    alice = world.client(server, "alice")
    alice.expect("connected")
    alice.sign_up("alice", "alice-password")
    equal(alice.log_in("alice", "alice-password")["choices"], ["LIST_ACTIVE", "BROADCAST"], "choices after log-in")


def test_the_terminal_shows_them_and_takes_their_numbers(world):
    server = world.server()
    alice = terminal.open_terminal(world, server, "alice")
    terminal.trust(alice, server)
    terminal.sign_up_and_log_in(alice, "alice", "alice-secret-word")  # Ends at the literal line.
    alice.sendline("1")
    terminal.expect(alice, "127.0.0.1")
    alice.sendline("2")
    terminal.expect(alice, ":")
    alice.sendline("said by number")
    terminal.expect(alice, "said by number")
    terminal.finish(alice)


if __name__ == "__main__":
    harness.main(globals())
