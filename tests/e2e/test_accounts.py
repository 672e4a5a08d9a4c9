"""Coming back, taking over, and the server's identity."""
import os
import subprocess

import harness
from harness import Failure, check, equal


def test_slash_commands_ask_for_what_is_missing(world):
    client = world.client(world.server(), "alice")
    client.expect("connected")
    client.line("/signup")
    for answer in ("alice", "alice-password", "alice-password"):
        client.expect("prompt")
        client.line(answer)
    client.expect("signed_up")
    client.line("/login alice")
    client.expect("prompt")
    client.line("alice-password")
    client.expect("logged_in", username="alice")
    client.line("/nonsense")
    client.expect("error", code="BAD_COMMAND")


def test_a_restarted_client_is_back_without_a_password(world):
    server = world.server()
    alice = world.member(server, "alice")
    alice.kill()
    again = world.client(server, "alice")
    event = again.expect("logged_in", username="alice")
    equal(event.get("resumed"), True, "resumed")


def test_a_second_client_takes_over(world):
    server = world.server()
    first = world.member(server, "alice")
    second = world.client(server, "alice-elsewhere")
    second.expect("connected")
    second.log_in("alice", "alice-password")
    second.send(cmd="list")
    equal([c["username"] for c in second.expect("active")["clients"]], ["alice"], "one alice")
    first.expect("error")


def test_unknown_server_without_a_pin_exits_4(world):
    server = world.server()
    argv = [os.path.join(world.bin, "peer-client"), "--jsonl", "--data-dir", world.path("new"), "127.0.0.1", str(server.port)]
    run = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    equal(run.returncode, 4, "exit code")
    check("SERVER_IDENTITY_UNKNOWN" in run.stdout and server.fingerprint in run.stdout, f"names the key: {run.stdout!r}")


def test_a_changed_key_is_refused(world):
    server = world.server()
    alice = world.member(server, "alice")
    alice.kill()
    other = world.server(data="other")
    run = subprocess.run([os.path.join(world.bin, "peer-client"), "--jsonl", "--data-dir", world.path("alice"),
                          "--server-fingerprint", server.fingerprint, "127.0.0.1", str(other.port)],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    equal(run.returncode, 4, f"exit code ({run.stdout!r})")
    check("SERVER_IDENTITY_CHANGED" in run.stdout, run.stdout)


if __name__ == "__main__":
    harness.main(globals())
