"""The plain face in a pseudo-terminal, as a person meets it."""
import os

import harness
import pexpect

OPTIONS = "1) list of active clients  2) broadcast a message"


def open_terminal(world, server, name):
    argv = ["--plain", "--data-dir", world.path(name), "127.0.0.1", str(server.port)]
    terminal = pexpect.spawn(os.path.join(world.bin, "peer-client"), argv, encoding="utf-8", timeout=20,
                             dimensions=(40, 120))
    terminal.shown = ""
    return terminal


def expect(terminal, text):
    terminal.expect_exact(text)
    terminal.shown += terminal.before + terminal.after


def trust(terminal, server):
    expect(terminal, server.fingerprint)
    expect(terminal, "[y/N]")
    terminal.sendline("y")


def sign_up_and_log_in(terminal, name, password):
    expect(terminal, "1) log in  2) sign up")
    terminal.sendline("2")
    for prompt, answer in (("Username:", name), ("Password:", password), ("Password again:", password)):
        expect(terminal, prompt)
        terminal.sendline(answer)
    expect(terminal, "1) log in  2) sign up")
    terminal.sendline("1")
    for prompt, answer in (("Username:", name), ("Password:", password)):
        expect(terminal, prompt)
        terminal.sendline(answer)
    expect(terminal, OPTIONS)


def finish(terminal):
    terminal.sendline("/quit")
    terminal.expect(pexpect.EOF)
    terminal.close()
    harness.equal(terminal.exitstatus, 0, "exit code")
