"""The operator's side: commands over the admin socket of a running server and on the directory of a stopped one."""
import json
import os
import socket
import stat
import subprocess
import time

import harness
from harness import Failure, check, equal, wait_for


def operate(world, data, *words, code=0, stdin=None):
    """Runs control-server WORDS on the data directory; its standard output."""
    run = subprocess.run([os.path.join(world.bin, "control-server"), *words, "--data-dir", data], input=stdin or "",
                         capture_output=True, text=True, timeout=60)
    equal(run.returncode, code, f"exit code of {' '.join(words)} ({run.stdout!r}, {run.stderr!r})")
    return run.stdout if code == 0 else run.stderr


def listed(world, data, *words):
    return json.loads(operate(world, data, *words, "-o", "json"))


def password_file(world, password):
    path = world.path(f"password-{password}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(password + "\n")
    return path


def commands_on_accounts(world, data):
    """The same on a running and on a stopped server."""
    operate(world, data, "user", "add", "carol", "--password-file", password_file(world, "carol-password"))
    check("taken" in operate(world, data, "user", "add", "CAROL", "--password-file",
                             password_file(world, "carol-password"), code=1), "a taken name is named")
    users = {u["username"]: u for u in listed(world, data, "user", "list")}
    check("carol" in users and not users["carol"]["disabled"], f"carol is listed: {users}")
    operate(world, data, "user", "disable", "carol")
    check(listed(world, data, "user", "list")[-1]["disabled"], "carol is disabled")
    operate(world, data, "user", "disable", "carol", "--enable")
    csv = world.path("users.csv")
    operate(world, data, "user", "export", csv)
    equal(stat.S_IMODE(os.stat(csv).st_mode), 0o600, "mode of the export")
    with open(csv, newline="", encoding="utf-8") as file:
        lines = file.read().split("\r\n")
    equal(lines[0], '"username","phc_hash"', "header")
    check(all(line.startswith('"') and line.endswith('"') and line[1] not in "=+-@\t\r" for line in lines if line),
          f"every cell is quoted, none is a formula: {lines}")
    count = len([line for line in lines if line]) - 1
    equal(operate(world, data, "user", "import", csv), f"0 created, {count} unchanged\n", "importing again")
    bad = world.path("bad.csv")
    with open(bad, "w", encoding="utf-8") as file:
        file.write("username,password\ndave,dave-password\n9,short\n")
    check("line 3" in operate(world, data, "user", "import", bad, code=1), "the bad line is named")
    check("dave" not in operate(world, data, "user", "list"), "all or nothing")
    operate(world, data, "user", "delete", "carol")
    check("carol" not in operate(world, data, "user", "list"), "carol is gone")
    check("no user carol" in operate(world, data, "user", "delete", "carol", code=1), "an unknown name is named")


def test_commands_on_a_running_and_on_a_stopped_server(world):
    server = world.server()
    operate(world, server.data_dir, "user", "add", "alice", "--password-file", password_file(world, "alice-password"))
    commands_on_accounts(world, server.data_dir)
    raw = harness.Raw(server)
    raw.log_in("alice", "alice-password")
    raw.close()
    equal(server.stop(), 0, "exit code of the server")
    check(not os.path.exists(os.path.join(server.data_dir, "admin.sock")), "the socket file is gone")
    commands_on_accounts(world, server.data_dir)
    equal([s["username"] for s in listed(world, server.data_dir, "session", "list")], ["alice"],
          "sessions of the stopped server")


def test_the_socket_is_private_and_a_dead_one_is_replaced(world):
    server = world.server()
    path = os.path.join(server.data_dir, "admin.sock")
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode of the socket")
    server.kill()
    check(os.path.exists(path), "kill -9 leaves the file behind")
    operate(world, server.data_dir, "user", "list")  # Nobody listens: on the directory.
    again = world.server()
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(path)
    operate(world, again.data_dir, "user", "list")


def first_bytes(path, user=None):
    """What the socket says first to a process of the user."""
    talk = ("import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(10)\ns.connect(sys.argv[1])\n"
            "try:\n  s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))\n"
            "  sys.stdout.buffer.write(s.recv(9))\nexcept (BrokenPipeError, ConnectionResetError):\n  pass\n")
    run = subprocess.run(["/usr/bin/python3", "-c", talk, path], capture_output=True, timeout=30, user=user)
    equal(run.returncode, 0, f"exit code ({run.stderr!r})")
    return run.stdout


def test_another_user_of_the_machine_is_not_served_whatever_the_modes(world):
    server = world.server()
    path = os.path.join(server.data_dir, "admin.sock")
    equal(len(first_bytes(path)), 9, "bytes of the first frame for its owner")
    if os.geteuid() != 0:
        return  # Only root can be somebody else.
    for folder in (world.dir, server.data_dir):
        os.chmod(folder, 0o711)
    os.chmod(path, 0o666)
    equal(first_bytes(path, user=65534), b"", "what a stranger gets")


def test_without_a_socket_or_with_an_impossible_one(world):
    server = world.server("--admin-socket", "none")
    check("server is running" in operate(world, server.data_dir, "user", "list", code=3), "says that a server runs")
    run = subprocess.run([os.path.join(world.bin, "control-server"), "--data-dir", world.path("other"), "--listen",
                          "127.0.0.1:0", "--relay-listen", "none", "--admin-socket", "/tmp/" + "x" * 120],
                         capture_output=True, text=True, timeout=30)
    equal(run.returncode, 78, f"exit code ({run.stderr!r})")
    check("107" in run.stderr and "ready" not in run.stdout, f"says how long it may be: {run.stderr!r}")


def test_the_admin_service_is_not_reachable_over_tcp(world):
    import grpc
    server = world.server("--reflection")
    raw = harness.Raw(server)
    call = raw.channel.unary_unary("/p2p.v1.AdminService/ListUsers")
    try:
        call(b"", timeout=10)
        raise Failure("AdminService answered over TCP")
    except grpc.RpcError as error:
        equal(error.code(), grpc.StatusCode.UNIMPLEMENTED, "code")
    raw.close()


def expect_end(client, word, since):
    """The client hears that its session ended, within a second, and why."""
    event = client.expect("error", timeout=5)
    check(word in event["message"], f"the reason names {word!r}: {event}")
    check(time.time() - since < 1.5, f"took {time.time() - since:.2f} s")  # 1 s, and the start of the command.


def active(client):
    client.send(cmd="list")
    return [c["username"] for c in client.expect("active")["clients"]]


def test_what_ends_sessions_ends_them_at_once(world):
    import grpc
    server = world.server()
    data = server.data_dir
    watcher = world.member(server, "watcher")
    for name, words, reason in (
            ("alice", ("session", "kick", "alice"), "operator ended"),
            ("bob", ("user", "passwd", "bob", "--password-file", password_file(world, "another-password")), "password"),
            ("carol", ("user", "disable", "carol"), "disabled"),
            ("dave", ("user", "delete", "dave"), "deleted")):
        client = world.member(server, name)
        raw = harness.Raw(server)
        token = raw.log_in(name, f"{name}-password")
        from p2p.v1 import directory_pb2
        raw.directory.ListActive(directory_pb2.ListActiveRequest(), metadata=token, timeout=10)
        sessions = [s for s in listed(world, data, "session", "list") if s["username"] == name]
        equal(sorted(s["attached"] for s in sessions), [False, True], f"sessions of {name}")
        equal([s["ip_address"] for s in sessions if s["attached"]], ["127.0.0.1"], "address")
        since = time.time()
        operate(world, data, *words)
        expect_end(client, reason, since)
        try:
            raw.directory.ListActive(directory_pb2.ListActiveRequest(), metadata=token, timeout=10)
            raise Failure(f"the token of {name} still works")
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.UNAUTHENTICATED, "code")
        equal([s for s in listed(world, data, "session", "list") if s["username"] == name], [], "sessions afterwards")
        equal(active(watcher), ["watcher"], f"active after {name}")
        equal(client.seen("retry"), [], f"{name} does not come back by itself")
        raw.close()
    # Who may log in again, and who may not.
    raw = harness.Raw(server)
    raw.log_in("alice", "alice-password")
    raw.log_in("bob", "another-password")
    for name, password in (("bob", "bob-password"), ("carol", "carol-password"), ("dave", "dave-password")):
        try:
            raw.log_in(name, password)
            raise Failure(f"{name} could log in")
        except grpc.RpcError as error:
            check(error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED), f"{error.code()}")
    raw.close()


def offend(client, name):
    client.log_in(name, f"{name}-password")
    client.send(cmd="request", peer="nobody-has-this-name")
    return client.expect("penalised")


def test_penalties_are_listed_survive_a_restart_and_are_lifted(world):
    server = world.server()
    alice = world.client(server, "alice")
    alice.expect("connected")
    alice.sign_up("alice", "alice-password")
    for _ in range(3):
        notice = offend(alice, "alice")
    check(notice["until"] > notice["at"], f"the third brings a cool-down: {notice}")
    wait_for("the penalties are in the store",
             lambda: [p["count"] for p in listed(world, server.data_dir, "penalty", "list")] == [3])
    alice.kill()
    server.kill()
    penalty, = listed(world, server.data_dir, "penalty", "list")  # Of the stopped server.
    equal((penalty["username"], penalty["count"]), ("alice", 3), "penalty")
    check(penalty["start"] < penalty["end"] and "invalid peer request" in penalty["reason"], f"{penalty}")
    check(penalty["end"] in penalty["next_step"], f"the next step says until when: {penalty}")
    again = world.server()
    raw = harness.Raw(again)
    import grpc
    try:
        raw.log_in("alice", "alice-password")
        raise Failure("the restart forgave")
    except grpc.RpcError as error:
        equal(error.code(), grpc.StatusCode.PERMISSION_DENIED, "code")
        check(penalty["end"] in error.details(), f"says until when: {error.details()}")
    equal(operate(world, again.data_dir, "penalty", "lift", "alice"), "lifted alice\n", "answer")
    raw.log_in("alice", "alice-password")
    raw.close()
    equal(listed(world, again.data_dir, "penalty", "list"), [], "penalties afterwards")
    check("no penalty" in operate(world, again.data_dir, "penalty", "lift", "alice", code=1), "nothing left to lift")


def test_broadcasts_are_listed_with_their_deliveries(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    alice.send(cmd="broadcast", text="hello")
    sent = alice.expect("broadcast_sent")["id"]
    for client in (alice, bob):
        client.expect("broadcast", id=sent)

    def all_delivered():
        status = listed(world, server.data_dir, "broadcast", "status", sent)
        return status if status["delivered"] == 2 else None
    status = wait_for("both deliveries are in the ledger", all_delivered)
    equal([d["username"] for d in status["deliveries"]], ["alice", "bob"], "who got it")
    equal([b["broadcast_id"] for b in listed(world, server.data_dir, "broadcast", "list")], [sent], "list")
    equal(status["sender"], "alice", "sender")
    equal(server.stop(), 0, "exit code")
    equal(listed(world, server.data_dir, "broadcast", "status", sent)["delivered"], 2, "on the stopped server")


def test_a_broadcast_is_taken_back_by_the_operator(world):
    server = world.server()
    alice = world.member(server, "alice")
    sent = {}
    for text in ("first", "second", "third"):
        alice.send(cmd="broadcast", text=text)
        sent[text] = alice.expect("broadcast_sent")["id"]
        alice.expect("broadcast", id=sent[text])
    wait_for("the delivery is in the ledger",
             lambda: listed(world, server.data_dir, "broadcast", "status", sent["first"])["delivered"] == 1)
    answer = listed(world, server.data_dir, "broadcast", "revoke", sent["first"])
    equal((answer["broadcast_id"], answer["revoked"], answer["delivered"]), (sent["first"], True, 1), "answer")
    check("revoked" in operate(world, server.data_dir, "broadcast", "revoke", sent["first"]), "twice is no error")
    bob = world.member(server, "bob")  # Who comes later gets the others only.
    for text in ("second", "third"):
        bob.expect("broadcast", id=sent[text])
    equal([e["id"] for e in bob.seen("broadcast") if e["id"] == sent["first"]], [], "bob got what was taken back")
    equal(server.stop(), 0, "exit code")
    check(listed(world, server.data_dir, "broadcast", "revoke", sent["second"])["revoked"], "on the stopped server")
    again = world.server()
    carol = world.member(again, "carol")
    carol.expect("broadcast", id=sent["third"])
    equal([e["id"] for e in carol.seen("broadcast")], [sent["third"]], "what carol got")
    revoked = {b["broadcast_id"]: b["revoked"] for b in listed(world, again.data_dir, "broadcast", "list")}
    equal(revoked, {sent["first"]: True, sent["second"]: True, sent["third"]: False}, "list")
    check("no such" in operate(world, again.data_dir, "broadcast", "revoke", "0" * 32, code=1).lower(), "an unknown id")


def test_names_that_look_alike_are_refused_at_sign_up(world):
    import grpc
    config = world.path("server.toml")
    server = world.server()
    raw = harness.Raw(server)
    raw.sign_up("Bill", "bill-password")
    for name in ("bi1l", "BlLL", "b1II"):
        try:
            raw.sign_up(name, "other-password")
            raise Failure(f"{name} beside Bill")
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.ALREADY_EXISTS, name)
            check("looks like" in error.details(), error.details())
    raw.sign_up("bob", "bob-password")
    raw.close()
    operate(world, server.data_dir, "user", "add", "bi1l", "--password-file", password_file(world, "other-password"))
    server.stop()
    with open(config, "w", encoding="utf-8") as file:
        file.write("[accounts]\nallow_lookalikes = true\n")
    again = world.server("--config", config)
    raw = harness.Raw(again)
    raw.sign_up("b1ll", "other-password")
    raw.close()


if __name__ == "__main__":
    harness.main(globals())
