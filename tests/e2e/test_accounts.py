"""Sign up, log in, see who is there, come back: M3, M4, M5, M10."""
import os
import subprocess

import harness
from harness import Failure, check, equal


def test_sign_up_log_in_and_list(world):
    server = world.server()
    alice = world.client(server, "alice")
    equal(alice.expect("connected")["choices"], ["LOGIN", "SIGNUP"], "choices before log-in")
    alice.send(cmd="signup", username="alice", password="one password", confirm_password="another one")
    equal(alice.expect("error")["code"], "INVALID_ARGUMENT", "unequal passwords")
    alice.sign_up("alice", "alice-password")
    alice.send(cmd="signup", username="ALICE", password="alice-password", confirm_password="alice-password")
    equal(alice.expect("error")["code"], "ALREADY_EXISTS", "a name in another case")
    alice.send(cmd="login", username="alice", password="not her password")
    equal(alice.expect("error")["code"], "UNAUTHENTICATED", "wrong password")
    equal(alice.log_in("alice", "alice-password")["choices"], ["LIST_ACTIVE", "BROADCAST"], "choices after log-in")
    world.member(server, "bob")
    alice.send(cmd="list")
    clients = alice.expect("active")["clients"]
    equal([c["username"] for c in clients], ["alice", "bob"], "active clients")
    for entry in clients:
        equal(sorted(entry), ["ip_address", "username"], "fields of an entry")


def test_the_reflected_entry_has_exactly_two_fields(world):
    raw = harness.Raw(world.server())
    file = raw.reflected("p2p.v1.ActiveClient")
    entry = next(m for m in file.message_type if m.name == "ActiveClient")
    equal([f.name for f in entry.field], ["username", "ip_address"], "fields of an entry, by reflection")
    raw.close()


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
    bob.signal(harness.drive.signal.SIGSTOP)

    def listed():
        alice.send(cmd="list")
        return [c["username"] for c in alice.expect("active")["clients"]]
    harness.wait_for("bob is off the list", lambda: listed() == ["alice"], timeout=45)


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


def test_accounts_travel_by_csv(world):
    def user(*args, check_code=0, **kwargs):
        run = subprocess.run([os.path.join(world.bin, "control-server"), "user", *args, "--data-dir", world.path("server")],
                             capture_output=True, text=True, timeout=60, **kwargs)
        equal(run.returncode, check_code, f"user {args[0]}: {run.stderr!r}")
        return run
    table = world.path("users.csv")
    with open(table, "w") as file:
        file.write('username,password\nanna,"pass,word ""quoted"""\nbert,bert-password\n')
    user("import", table)
    user("import", table)  # Again changes nothing.
    with open(world.path("bad.csv"), "w") as file:
        file.write("username,password\ncarl,carl-password\nx,short\n")
    check("3" in user("import", world.path("bad.csv"), check_code=1).stderr, "the error names the line")
    exported = user("export").stdout
    check("anna" in exported and "bert" in exported and "carl" not in exported, f"all or nothing: {exported!r}")
    server = world.server()
    anna = world.client(server, "anna")
    anna.expect("connected")
    anna.log_in("anna", 'pass,word "quoted"')
    run = subprocess.run([os.path.join(world.bin, "control-server"), "user", "export", "--data-dir", world.path("server")],
                         capture_output=True, text=True, timeout=30)
    check(run.returncode == 1 and run.stderr, "a running server's data is not touched behind its back")


if __name__ == "__main__":
    harness.main(globals())
