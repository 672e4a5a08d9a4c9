"""The plain face in a pseudo-terminal, as a person meets it: M2, M3, M4, M6, M8, M11."""
import re

import harness
import pexpect
from harness import check
from terminal import expect, finish, open_terminal, sign_up_and_log_in, trust

def test_two_people_meet_talk_and_announce(world):
    server = world.server()
    alice, bob = open_terminal(world, server, "alice"), open_terminal(world, server, "bob")
    for terminal, name in ((alice, "alice"), (bob, "bob")):
        trust(terminal, server)
        sign_up_and_log_in(terminal, name, f"{name}-secret-word")
        check("secret-word" not in terminal.shown, "a password is never echoed")
    alice.sendline("1")
    expect(alice, "bob")
    alice.sendline("/request bob lunch?")
    expect(bob, "lunch?")
    bob.sendline("y")
    expect(alice, "bob")
    expect(bob, "alice")
    alice.expect(re.compile("directly|Talking|connected", re.IGNORECASE))
    alice.sendline("/msg bob noon at the harbour")
    expect(bob, "noon at the harbour")
    bob.sendline("/broadcast the ferry leaves at five")
    expect(alice, "the ferry leaves at five")
    alice.sendline("/msg bob \x16\x1b[31mred\x16\x1b[0m")
    expect(bob, "[31mred")  # The text came through, its escape character did not.
    check("\x1b[31mred" not in bob.before + bob.after, "a message cannot colour the terminal")
    for terminal in (alice, bob):
        finish(terminal)


def test_a_broadcast_that_is_taken_back_is_struck(world):
    server = world.server()
    alice = open_terminal(world, server, "alice")
    trust(alice, server)
    sign_up_and_log_in(alice, "alice", "alice-secret-word")
    bob = world.member(server, "bob")
    bob.send(cmd="broadcast", text="the ferry leaves at five")
    sent = bob.expect("broadcast_sent")["id"]
    expect(alice, "the ferry leaves at five")
    bob.send(cmd="broadcast_revoke", id=sent)
    expect(alice, "Taken back, bob's broadcast of ")
    expect(alice, "\x1b[9mthe ferry leaves at five\x1b[0m")
    finish(alice)


def test_distrust_ends_it(world):
    server = world.server()
    terminal = open_terminal(world, server, "alice")
    expect(terminal, "[y/N]")
    terminal.sendline("n")
    terminal.expect(pexpect.EOF)
    terminal.close()
    harness.equal(terminal.exitstatus, 4, "exit code")


def test_a_lost_server_is_counted_down(world):
    server = world.server()
    terminal = open_terminal(world, server, "alice")
    trust(terminal, server)
    sign_up_and_log_in(terminal, "alice", "alice-secret-word")
    server.kill()
    expect(terminal, "next try in")
    world.server(listen=f"127.0.0.1:{server.port}")
    terminal.expect("(?i)(back|again|logged in|connected)")
    finish(terminal)


if __name__ == "__main__":
    harness.main(globals())
