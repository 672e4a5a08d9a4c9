"""One-shot sub-commands: alone on the data directory and beside a running client, and their exit codes (design: command lines)."""
import json
import os
import socket
import stat
import subprocess
import threading

import harness
from harness import check, equal


def run(world, server, data, *args, code=0, stdin="", pin=True, address=None, timeout=60):
    argv = [os.path.join(world.bin, "peer-client"), args[0], "--data-dir", world.path(data)]
    argv += ["--server", address or f"127.0.0.1:{server.port}"]
    if pin:
        argv += ["--server-fingerprint", server.fingerprint]
    done = subprocess.run(argv + list(args[1:]), input=stdin, capture_output=True, text=True, timeout=timeout)
    equal(done.returncode, code, f"{' '.join(args)} (stdout {done.stdout!r}, stderr {done.stderr!r})")
    return done


def enter(world, server, name, data=None):
    """Signs up and logs in by one-shots; returns the data directory's name."""
    data = data or name
    run(world, server, data, "signup", name, "--password-file", "-", stdin=f"{name}-password\n")
    run(world, server, data, "login", name, "--password-file", "-", stdin=f"{name}-password\n")
    return data


def approve(client):
    client.send(cmd="approve", request_id=client.expect("peer_request")["request_id"])


def test_alone_the_session_is_kept_and_forgotten(world):
    server = world.server()
    enter(world, server, "alice")
    world.member(server, "bob")
    listed = run(world, server, "alice", "list").stdout.split("\n")
    equal([line.split() for line in listed if line], [["alice", "127.0.0.1"], ["bob", "127.0.0.1"]], "two columns")
    clients = json.loads(run(world, server, "alice", "list", "-o", "json").stdout)["clients"]
    equal([c["username"] for c in clients], ["alice", "bob"], "one object")
    events = [json.loads(line)["event"] for line in run(world, server, "alice", "list", "-o", "jsonl").stdout.splitlines()]
    equal(events[-1], "active", "events as they come")
    run(world, server, "alice", "logout")
    run(world, server, "alice", "list", code=4)


def test_alone_request_and_send(world):
    server = world.server()
    enter(world, server, "alice")
    bob = world.member(server, "bob")
    argv = [os.path.join(world.bin, "peer-client"), "send", "--data-dir", world.path("alice"), "bob", "good morning"]
    sending = world.add(harness.drive.Process(argv))
    approve(bob)
    equal(bob.expect("chat")["text"], "good morning", "text")
    equal(sending.wait(), 0, "send")
    check(sending.out[-1].startswith("delivered bob "), f"receipt: {sending.out}")
    run(world, server, "alice", "send", "bob", "-", stdin="again\n")  # The conversation is there.
    equal(bob.expect("chat")["text"], "again", "text from stdin")
    # Who it is: the same number on both sides, also with the server gone.
    server.kill()
    seen = json.loads(run(world, server, "alice", "verify", "BOB", "-o", "json").stdout)
    bob.send(cmd="verify", peer="alice")
    theirs = bob.expect("identity", peer="alice")
    equal((seen["state"], theirs["state"]), ("unverified", "unverified"), "states")
    equal(seen["safety_number"], theirs["safety_number"], "safety numbers")
    bob.send(cmd="verified", peer="alice")
    equal(bob.expect("identity")["state"], "verified", "compared")
    run(world, server, "alice", "verify", "nobody", code=1)


def test_denied_expired_and_penalised(world):
    server = world.server()
    enter(world, server, "alice")
    bob, _ = world.member(server, "bob"), world.member(server, "carol")
    argv = [os.path.join(world.bin, "peer-client"), "request", "--data-dir", world.path("alice"), "bob", "lunch?"]
    asking = world.add(harness.drive.Process(argv))
    bob.send(cmd="deny", request_id=bob.expect("peer_request")["request_id"])
    equal(asking.wait(), 5, "denied")
    run(world, server, "alice", "request", "carol", "--wait", "0.5", code=6)
    run(world, server, "alice", "request", "nobody_has_this_name", code=5)
    run(world, server, "alice", "list", code=4)  # The penalty ended the session.


def test_broadcast_and_its_status(world):
    server = world.server()
    enter(world, server, "alice")
    bob = world.member(server, "bob")
    sent, expires = run(world, server, "alice", "broadcast", "-", stdin="Ferry at five\n").stdout.split()
    check(expires.endswith("Z"), expires)
    equal(bob.expect("broadcast", id=sent)["text"], "Ferry at five", "text")

    def delivered():
        status = json.loads(run(world, server, "alice", "broadcast-status", sent, "-o", "json").stdout)
        return {d["username"]: d["state"] for d in status["deliveries"]}.get("bob") in ("udp", "channel")
    harness.wait_for("the ledger says so", delivered)
    # A one-shot does not show what comes in: the next client does.
    world.member(server, "carol")
    argv = [os.path.join(world.bin, "peer-client"), "request", "--data-dir", world.path("alice"), "carol"]
    asking = world.add(harness.drive.Process(argv))
    carol = world.processes[-2]
    asked = carol.expect("peer_request")["request_id"]
    bob.send(cmd="broadcast", text="for later")
    later = bob.expect("broadcast_sent")["id"]
    raw = harness.Raw(server)
    token = raw.log_in("bob", "bob-password")

    def journalled():
        from p2p.v1 import broadcast_pb2
        status = raw.broadcasts.GetBroadcast(broadcast_pb2.GetBroadcastRequest(broadcast_id=later), metadata=token)
        return any(d.username == "alice" and d.state in (2, 3) for d in status.deliveries)
    harness.wait_for("the one-shot has it", journalled)
    raw.close()
    carol.send(cmd="deny", request_id=asked)
    equal(asking.wait(), 5, "denied")
    equal(world.client(server, "alice").expect("broadcast", id=later).get("replayed"), True, "replayed")


def test_a_broadcast_waits_for_its_receivers_and_is_taken_back(world):
    server = world.server("--set", "timing.channel_fallback=60s", "--set", "timing.retention=25m")
    enter(world, server, "alice")
    bob = world.member(server, "bob")
    done = run(world, server, "alice", "broadcast", "Ferry at six", "--wait", "all", "--timeout", "20", "-o", "json")
    status = json.loads(done.stdout)
    equal((status["delivered"], status["due"]), (2, 2), "both have it when the command ends")
    bob.expect("broadcast", id=status["id"])
    preview = json.loads(run(world, server, "alice", "broadcast", "Ferry at seven", "--dry-run", "--ttl", "60", "-o", "json").stdout)
    equal((preview["due_now"], sorted(preview["usernames"]), preview["ttl_s"]), (2, ["alice", "bob"], 60), "who would get it")
    equal(preview["ttl_from"], "option", "as asked")
    text = run(world, server, "alice", "broadcast", "x", "--dry-run").stdout
    check("2 would get it now, others for 1500 s, the longest this server keeps one" in text, text)
    # Somebody who is due and does not answer.
    bob.pause()
    late = run(world, server, "alice", "broadcast", "Ferry at seven", "--wait", "100%", "--timeout", "2", "--ttl", "60", code=6)
    check("1 of 2 have it so far" in late.stderr, late.stderr)
    one = json.loads(run(world, server, "alice", "broadcast", "Ferry at eight", "--wait", "1", "-o", "json").stdout)
    check(one["delivered"] >= 1, "one is enough")
    taken = json.loads(run(world, server, "alice", "broadcast-revoke", one["id"], "-o", "json").stdout)
    equal(taken["revoked"], True, "taken back")
    bob.resume()
    shown = json.loads(run(world, server, "alice", "broadcast", "Ferry at nine", "--wait", "all", "-o", "json").stdout)["id"]
    bob.expect("broadcast", id=shown)
    run(world, server, "alice", "broadcast-revoke", shown)
    equal(bob.expect("broadcast_revoked", id=shown)["sender"], "alice", "whoever showed it hears of it")
    bob.send(cmd="broadcast", text="a mark")
    carol = world.member(server, "carol")
    seen = {carol.expect("broadcast")["text"] for _ in range(3)}
    equal(seen, {"Ferry at six", "Ferry at seven", "a mark"}, "a newcomer never sees what was taken back")
    for wrong in (("--wait", "most"), ("--timeout", "3"), ("--ttl", "1801"), ("--wait", "0"), ("--dry-run", "--wait", "1")):
        run(world, server, "alice", "broadcast", "x", *wrong, code=2)


class LossyWay:
    """A TCP way to the server that swallows its answers once a client has said LIMIT bytes, until heal() cuts it."""

    def __init__(self, port, limit):
        self.limit, self.target, self.healed = limit, port, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            pair = {"client": client, "server": socket.create_connection(("127.0.0.1", self.target)), "said": 0}
            self.pairs.append(pair)
            for source, sink in (("client", "server"), ("server", "client")):
                threading.Thread(target=self._carry, args=(pair, source, sink), daemon=True).start()

    def _carry(self, pair, source, sink):
        try:
            while data := pair[source].recv(65536):
                if source == "client":
                    pair["said"] += len(data)
                elif pair["said"] >= self.limit and not self.healed:
                    continue
                pair[sink].sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            self._cut(pair[end])

    @staticmethod
    def _cut(end):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # Gone already.

    def heal(self):
        self.healed = True
        for pair in list(self.pairs):
            self._cut(pair["client"])


def test_a_broadcast_whose_answer_is_lost_is_sent_once(world):
    server = world.server("--set", "timing.reconnect_window_min=100ms")
    enter(world, server, "alice")
    bob = world.member(server, "bob")
    way = LossyWay(server.port, 30_000)  # The text is said, and nothing else is that long.
    argv = [os.path.join(world.bin, "peer-client"), "broadcast", "--data-dir", world.path("alice"), "--server",
            f"127.0.0.1:{way.port}", "--server-fingerprint", server.fingerprint, "--wait", "all", "-o", "json", "x" * 40_000]
    sending = world.add(harness.drive.Process(argv))
    sent = bob.expect("broadcast")["id"]
    check(not sending.out, f"nobody told it: {sending.out}")
    way.heal()
    equal(sending.wait(), 0, "exit code")
    status = json.loads(sending.out[-1])
    equal((status["id"], status["delivered"]), (sent, 2), "the answer given again names the same broadcast")
    raw = harness.Raw(server)
    from p2p.v1 import broadcast_pb2
    listed = raw.broadcasts.ListBroadcasts(broadcast_pb2.ListBroadcastsRequest(),
                                           metadata=raw.log_in("alice", "alice-password"), timeout=10)
    equal([b.broadcast_id for b in listed.broadcasts], [sent], "one broadcast")
    raw.close()
    way.listener.close()


def test_watch_tells_what_was_taken_back(world):
    server = world.server()
    enter(world, server, "alice")
    bob = world.member(server, "bob")
    watching = world.add(harness.drive.Process([os.path.join(world.bin, "peer-client"), "watch", "--data-dir", world.path("alice")]))
    harness.wait_for("alice watches", lambda: any("watching as alice" in line for line in watching.out))
    bob.send(cmd="broadcast", text="Ferry at six")
    sent = bob.expect("broadcast_sent")["id"]
    harness.wait_for("she sees it", lambda: any(line.endswith("] Ferry at six") for line in watching.out))
    bob.send(cmd="broadcast_revoke", id=sent)
    harness.wait_for("and its end", lambda: any("[broadcast from bob, " in line and line.endswith("] was taken back")
                                                for line in watching.out))


def test_beside_a_running_client(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    path = os.path.join(alice.data_dir, "client.socket")
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode of the socket")
    check("bob" in run(world, server, "alice", "list").stdout, "list")
    argv = [os.path.join(world.bin, "peer-client"), "send", "--data-dir", world.path("alice"), "bob", "beside"]
    sending = world.add(harness.drive.Process(argv))
    approve(bob)
    equal(bob.expect("chat")["text"], "beside", "text")
    equal(sending.wait(), 0, "send")
    sent = run(world, server, "alice", "broadcast", "hello all").stdout.split()[0]
    alice.expect("broadcast", id=sent)
    check("delivered" in run(world, server, "alice", "broadcast-status", sent).stdout, "status")
    run(world, server, "alice", "request", "alice", code=5)  # Oneself.
    alice.expect("penalised")
    run(world, server, "alice", "list", code=4)
    run(world, server, "alice", "login", "alice", "--password-file", "-", stdin="wrong password\n", code=4)
    run(world, server, "alice", "login", "alice", "--password-file", "-", stdin="alice-password\n")
    check(not alice.seen("active"), "answers go to who asked")
    run(world, server, "alice", "list", address="127.0.0.1:1", code=1)  # It uses another server.
    run(world, server, "alice", "logout")
    alice.expect("logged_out")


def test_watch_alone_and_beside(world):
    server = world.server()
    enter(world, server, "alice")
    bob = world.member(server, "bob")
    argv = [os.path.join(world.bin, "peer-client"), "watch", "--data-dir", world.path("alice"), "-o", "jsonl"]
    alone = world.add(harness.drive.Process(argv))
    harness.wait_for("alice watches", lambda: any('"logged_in"' in line for line in alone.out))
    beside = world.add(harness.drive.Process(argv[:-2]))
    harness.wait_for("so does another", lambda: any("watching as alice" in line for line in beside.out))
    bob.send(cmd="request", peer="alice", reason="\x1b[31mred")
    harness.wait_for("both tell", lambda: any('"peer_request"' in line for line in alone.out) and
                     any("asks for a conversation" in line for line in beside.out))
    check(not any("\x1b" in line for line in beside.out), "untrusted text is harmless")
    check("bob" in run(world, server, "alice", "list").stdout, "a watching client serves others")
    equal(beside.stop(), 0, "a stopped watch")
    equal(alone.stop(), 0, "a stopped watch")


def test_usage_configuration_identity_and_reach(world):
    server = world.server()
    for words in (["send", "bob"], ["list", "-o", "xml"], ["watch", "-o", "json"], ["send-file", "bob"], ["doctor", "bob"]):
        run(world, server, "none", *words, code=2)
    run(world, server, "none", "list", "--set", "timing.nothing=1s", code=78)
    unknown = run(world, server, "new", "list", code=4, pin=False)
    check(server.fingerprint in unknown.stderr and unknown.stderr.count("\n") == 1, unknown.stderr)
    run(world, server, "none", "login", "alice", "--password-file", "-", stdin="not there\n", code=4)
    enter(world, server, "alice")
    other = world.client(server, "elsewhere")
    other.expect("connected")
    other.log_in("alice", "alice-password")
    refused = run(world, server, "alice", "list", code=1)
    check("--take-over" in refused.stderr, refused.stderr)
    run(world, server, "alice", "list", "--take-over")
    port = server.port
    server.stop()
    run(world, server, "alice", "list", "--connect-wait", "1", code=3, address=f"127.0.0.1:{port}")
    quick = [w for n in range(1, 6) for w in ("--set", f"timing.retry_{n}={n * 20}ms")]
    quick += ["--set", "timing.retry_last_min=120ms", "--set", "timing.retry_last_max=140ms"]
    run(world, server, "alice", "list", *quick, code=3, address=f"127.0.0.1:{port}")


if __name__ == "__main__":
    harness.main(globals())
