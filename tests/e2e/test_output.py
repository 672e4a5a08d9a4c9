"""What a client writes and nobody reads: it does not count as read, it stops nothing else, and a lost output is no success."""
import json
import os
import select
import signal
import subprocess

import harness
from harness import Failure, check, drive, equal, wait_for
from terminal import open_terminal, expect
from test_chat_kills import introduce

TEXT = "x" * 2000


class Unread:
    """A program whose output stands still until it is read here."""

    def __init__(self, world, server, name, *form):
        verb = [form[0]] if form[0] == "watch" else []
        at = ["--server", f"127.0.0.1:{server.port}"] if verb else ["127.0.0.1", str(server.port)]
        argv = [os.path.join(world.bin, "peer-client"), *verb, "--data-dir", world.path(name),
                "--server-fingerprint", server.fingerprint, *form[len(verb):], *at]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.got = b""
        world.add(self)

    def read_until(self, text, timeout=20):
        def there():
            if select.select([self.process.stdout], [], [], 0)[0]:
                self.got += os.read(self.process.stdout.fileno(), 65536)
            return text.encode() in self.got
        wait_for(f"{text} on the output", there, timeout)

    def close(self):
        self.process.stdout.close()

    def end(self, number=None, timeout=5):
        """The exit code and what stands on standard error."""
        if number:
            self.process.send_signal(number)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure("the program did not end") from None
        return self.process.returncode, self.process.stderr.read().decode()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def friends(world, server):
    """alice is there; bob has been, and both will be connected when he comes back."""
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    introduce(alice, bob)
    bob.send(cmd="quit")
    equal(bob.wait(), 0, "exit code")
    alice.expect("chat_closed")
    return alice


def receipts(client, state):
    """The messages of which this is known by now."""
    return {e["id"] for e in client.seen("receipt", state=state)}


def say(alice, text):
    alice.send(cmd="msg", peer="bob", text=text)
    return alice.expect("receipt", state="queued")["id"]


def nobody_reads(world, form, opened):
    server = world.server()
    alice = friends(world, server)

    def lost(act):
        """bob's client while nobody reads it any more; what is told to him is told again at the next start."""
        unread = Unread(world, server, "bob", *form)
        for text in opened:
            unread.read_until(text)
        unread.close()
        act()
        code, error = unread.end(timeout=20)
        equal(code, 1, "exit code")
        check("nobody reads the output any more" in error, f"says why: {error!r}")
        check(not receipts(alice, "read"), "counts as read")
        return world.client(server, "bob")

    bob = lost(lambda: alice.expect("receipt", state="delivered", id=say(alice, "is anybody there?")))
    again = bob.expect("chat")
    equal((again["text"], again["replayed"]), ("is anybody there?", True), "the message")
    bob.send(cmd="quit")
    equal(bob.wait(), 0, "exit code")
    alice.send(cmd="list")
    alice.expect("active")
    bob = lost(lambda: alice.send(cmd="broadcast", text="to whom it may concern"))
    equal(bob.expect("broadcast")["text"], "to whom it may concern", "the broadcast")


def test_nobody_reads_the_events(world):
    nobody_reads(world, ["--jsonl"], ["chat_open", "logged_in"])


def test_nobody_reads_the_lines(world):
    nobody_reads(world, ["--plain"], ["is connected again", "Back as bob"])


def test_nobody_reads_what_is_watched(world):
    nobody_reads(world, ["watch", "--output", "jsonl"], ["chat_open", "logged_in"])


def test_a_reader_that_stands_still_stops_nothing_else(world):
    server = world.server()
    alice = friends(world, server)
    bob = Unread(world, server, "bob", "--jsonl")
    bob.read_until("chat_open")
    sent = [say(alice, f"{i} {TEXT}") for i in range(100)]  # 200 kB; a pipe holds 64.
    for message in sent:
        alice.expect("receipt", state="delivered", id=message)
    shown = receipts(alice, "read")
    check(len(shown) < 60, f"{len(shown)} messages count as read")
    # Reads on: the rest is shown, and counts.
    bob.read_until(f'"{sent[-1]}"')
    wait_for("all were read", lambda: receipts(alice, "read") == set(sent))
    equal([json.loads(line)["id"] for line in bob.got.split(b"\n") if b'"chat"' in line], sent, "what was shown")
    # Stands still again, and is asked to end.
    sent = [say(alice, f"{i} {TEXT}") for i in range(100)]
    for message in sent:
        alice.expect("receipt", state="delivered", id=message)
    equal(bob.end(signal.SIGTERM)[0], 0, "exit code")
    read = receipts(alice, "read")
    bob = world.client(server, "bob")
    late = [message for message in sent if message not in read]
    check(len(late) > 40, f"only {len(late)} messages wait")
    equal([bob.expect("chat")["id"] for _ in late], late, "shown at the next start")


def test_a_stopped_terminal_stops_nothing_else(world):
    server = world.server()
    alice = friends(world, server)
    bob = open_terminal(world, server, "bob")
    expect(bob, "is connected again")
    sent = [say(alice, f"{i} {TEXT}") for i in range(100)]  # Nobody looks at the screen.
    for message in sent:
        alice.expect("receipt", state="delivered", id=message)
    check(len(receipts(alice, "read")) < 60, "all count as read")
    os.kill(bob.pid, signal.SIGTERM)
    wait_for("the end", lambda: not bob.isalive(), 5)


def test_a_terminal_goes_on_after_ctrl_s(world):
    server = world.server()
    alice = friends(world, server)
    bob = open_terminal(world, server, "bob")
    expect(bob, "is connected again")
    expect(bob, "> ")
    bob.send("\x13")
    first = say(alice, "can you see this?")
    alice.expect("receipt", state="delivered", id=first)
    bob.send("\x11")
    expect(bob, "can you see this?")
    alice.expect("receipt", state="read", id=first)
    expect(bob, "bob -> alice (unverified)> ")


def test_an_output_that_is_lost_is_no_success(world):
    server = world.server()
    world.member(server, "alice").kill()
    for form in ("text", "json", "jsonl"):
        with open("/dev/full", "w") as full:
            run = subprocess.run([os.path.join(world.bin, "peer-client"), "list", "--data-dir", world.path("alice"), "--output", form,
                                  "--server", f"127.0.0.1:{server.port}"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
        equal(run.returncode, 1, f"exit code of {form}")
        check("No space left on device" in run.stderr, f"says why: {run.stderr!r}")


if __name__ == "__main__":
    harness.main(globals())
