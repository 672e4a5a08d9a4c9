"""The disk is full; another process locks the database: what cannot be stored is refused, never confirmed; everything else goes on,
and the server recovers by itself."""
import os
import sqlite3
import subprocess
import time

import grpc
import harness
from harness import Raw, check, equal, scale
from test_floods import Bystanders

PASSWORD = "a good password"
LOCKED = scale(4, 30)  # Seconds.
FAST = ("--set", "timing.reconnect_first=200ms", "--set", "timing.reconnect_max=1s")


class SignUps:
    """Signs up one name after the other and keeps what the server said to each."""

    def __init__(self, raw):
        self.raw, self.stored, self.refused = raw, [], []

    def try_one(self):
        name = f"person{len(self.stored) + len(self.refused):03d}"
        try:
            self.raw.sign_up(name, PASSWORD)
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, f"code for {name}: {error.details()!r}")
            check("cannot store" in error.details(), f"the reason is told: {error.details()!r}")
            details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
            check(b"google.rpc.RetryInfo" in details, "and when to come again")
            self.refused.append(name)
            return False
        self.stored.append(name)
        return True

    def check_all(self, raw):
        """Who was told OK is there; who was refused is not, not even in part."""
        for name in self.stored:
            raw.log_in(name, PASSWORD)
        for name in self.refused:
            try:
                raw.log_in(name, PASSWORD)
            except grpc.RpcError as error:
                equal(error.code(), grpc.StatusCode.UNAUTHENTICATED, f"log-in of {name}, whose sign-up was refused")
            else:
                check(False, f"{name} is there, though the sign-up was refused")
            raw.sign_up(name, PASSWORD)


def two_members(server):
    raws = [Raw(server) for _ in range(2)]
    for number, raw in enumerate(raws):
        raw.sign_up(f"member{number}", PASSWORD)
    return [(raw, raw.log_in(f"member{number}", PASSWORD)) for number, raw in enumerate(raws)]


def is_intact(path):
    with sqlite3.connect(path) as database:
        equal(database.execute("PRAGMA integrity_check").fetchone(), ("ok",), "integrity_check")


class SmallDisk:
    """A server whose directory is a file system of two megabytes that only it sees, and the one that is started on it after a kill -9."""

    def __init__(self, world):
        harness.need_namespaces()
        self.world = world
        os.makedirs(world.path("server"))
        mount = f"mount -t tmpfs -o size=2m,mode=700 tmpfs '{world.path('server')}' && exec \"$0\" \"$@\""
        self.server = world.server(wrap=["unshare", "--mount", "sh", "-c", mount])
        self.place = f"/proc/{self.server.pid}/root{self.server.data_dir}"

    def kill_and_start_again(self):
        """Its disk lives on, kept by an open descriptor."""
        with open(f"/proc/{self.server.pid}/ns/mnt") as disk:
            self.server.kill()
            self.server = self.world.server(wrap=["nsenter", f"--mount=/proc/{os.getpid()}/fd/{disk.fileno()}"],
                                            listen=f"127.0.0.1:{self.server.port}", relay=f"127.0.0.1:{self.server.relay_port}")
        self.place = f"/proc/{self.server.pid}/root{self.server.data_dir}"

    def fill(self):
        with open(f"{self.place}/filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(b"x" * 4096)
            except OSError:
                pass

    def make_room(self):
        os.remove(f"{self.place}/filler")

    def certificate(self):
        with open(f"{self.place}/server.crt", "rb") as file:
            return file.read()


def test_the_disk_is_full(world):
    disk = SmallDisk(world)
    raw = Raw(disk.server, disk.certificate())
    raw.sign_up("alice", PASSWORD)
    token = raw.log_in("alice", PASSWORD)
    disk.fill()
    ups = SignUps(raw)
    harness.wait_for("a sign-up is refused", lambda: not ups.try_one())
    for _ in range(3):
        ups.try_one()  # And again, without a crash.
    raw.directory.ListActive(list_active(), metadata=token, timeout=5)  # Who reads goes on.
    equal(code_of(lambda: raw.log_in("alice", "a wrong password")), grpc.StatusCode.UNAUTHENTICATED, "a wrong password")
    logged = len([line for line in disk.server.err if "store" in line])
    check(logged < len(ups.refused), f"not a line for each call: {logged}")
    disk.make_room()
    made_room = time.monotonic()
    harness.wait_for("a sign-up is stored again", ups.try_one)
    took = time.monotonic() - made_room
    check(took <= 5, f"recovered after {took:.1f} s")
    ups.check_all(raw)
    raw.close()
    is_intact(f"{disk.place}/server.db")
    equal(disk.server.stop(), 0, "exit code")


def test_the_disk_is_full_while_people_broadcast(world):
    disk = SmallDisk(world)
    raw = Raw(disk.server, disk.certificate())
    people = [world.member(disk.server, name, *FAST) for name in ("alice", "bob")]
    raw.sign_up("carol", PASSWORD)
    token = raw.log_in("carol", PASSWORD)
    stored = [broadcast(raw, token, "while there is room")]
    for person in people:
        person.expect("broadcast", id=stored[0])
    disk.fill()
    codes = []

    def is_refused():
        codes.append(code_of(lambda: stored.append(broadcast(raw, token, f"number {len(codes)}" + "z" * 20_000))))
        return codes[-1] == grpc.StatusCode.RESOURCE_EXHAUSTED

    harness.wait_for("a broadcast is refused", is_refused)
    equal(set(codes) - {grpc.StatusCode.OK}, {grpc.StatusCode.RESOURCE_EXHAUSTED}, "what the others were told")
    # What was confirmed before goes on, though no receipt of it can be stored now.
    for person in people:
        harness.wait_for(f"{person.name} reads all that were confirmed", lambda: len(person.seen("broadcast")) == len(stored))
    raw.directory.ListActive(list_active(), metadata=token, timeout=5)
    disk.make_room()
    made_room = time.monotonic()
    harness.wait_for("a broadcast is stored again", lambda: not is_refused())
    took = time.monotonic() - made_room
    check(took <= 5, f"recovered after {took:.1f} s")
    for person in people:
        person.expect("broadcast", id=stored[-1])
        equal(sorted(event["id"] for event in person.seen("broadcast")), sorted(stored), f"what {person.name} was shown: each once")
    raw.close()
    disk.kill_and_start_again()
    confirmed_is_what_is_there(Raw(disk.server, disk.certificate()), stored, codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED))
    for person in people:
        equal(sorted(event["id"] for event in person.seen("broadcast")), sorted(stored), f"{person.name} was shown nothing more")
    is_intact(f"{disk.place}/server.db")


def confirmed_is_what_is_there(raw, stored, refused):
    """After a kill -9: each OK was true, of what was refused nothing is there, and what was delivered while nothing could be stored
    is in the ledger too."""
    from p2p.v1 import broadcast_pb2
    check(refused > 0, "some were refused")
    token = raw.log_in("carol", PASSWORD)
    listed = raw.broadcasts.ListBroadcasts(broadcast_pb2.ListBroadcastsRequest(), metadata=token, timeout=10).broadcasts
    equal(sorted(b.broadcast_id for b in listed), sorted(stored), "broadcasts that are there after a kill -9")

    def delivered(id_):
        answer = raw.broadcasts.GetBroadcast(broadcast_pb2.GetBroadcastRequest(broadcast_id=id_), metadata=token, timeout=10)
        done = (broadcast_pb2.DELIVERED_UDP, broadcast_pb2.DELIVERED_CHANNEL)
        # A row that could not be stored is made when its client is back, and says that it has it.
        return sorted(d.username for d in answer.deliveries if d.state in done) == ["alice", "bob"]
    for id_ in stored:
        harness.wait_for(f"the ledger has both receipts of {id_}", lambda: delivered(id_))
    raw.close()


def test_another_process_locks_the_database(world):
    server = world.server("--set", "limits.signup_burst=100000")
    members = two_members(server)
    stranger = Raw(server)
    ups = SignUps(stranger)
    lock = sqlite3.connect(os.path.join(server.data_dir, "server.db"), isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        check(ups.try_one(), "who keeps others out can store")
        return
    with Bystanders(server, members) as bystanders:
        end = time.monotonic() + LOCKED
        while time.monotonic() < end:
            started = time.monotonic()
            ups.try_one()
            code = code_of(lambda: stranger.log_in(f"ghost{len(ups.refused)}", PASSWORD))  # Reads from the database.
            equal(code, grpc.StatusCode.UNAUTHENTICATED, "a log-in of nobody")
            took = time.monotonic() - started
            check(took <= 2, f"two answers took {took:.1f} s")
    equal(ups.stored, [], "sign-ups confirmed while nothing could be stored")
    lock.execute("ROLLBACK")
    lock.close()
    bystanders.judge(f"locked for {LOCKED} s")
    check(ups.try_one(), "the first sign-up afterwards")
    ups.check_all(stranger)
    is_intact(os.path.join(server.data_dir, "server.db"))


def test_a_second_server_on_the_directory(world):
    first = world.server()
    started = time.monotonic()
    second = subprocess.run([os.path.join(world.bin, "control-server"), "--data-dir", first.data_dir, "--listen", "127.0.0.1:0",
                             "--relay-listen", "none"], capture_output=True, text=True, timeout=20)
    took = time.monotonic() - started
    check(second.returncode == 1 and "is locked by another process" in second.stderr, f"refused with a reason: {second.returncode} {second.stderr!r}")
    check(took <= 1, f"after {took:.2f} s")


def broadcast(raw, token, text):
    """The id of it, once it is confirmed."""
    from p2p.v1 import broadcast_pb2
    request = broadcast_pb2.BroadcastRequest(text=text, idempotency_key=os.urandom(16).hex())
    return raw.broadcasts.Broadcast(request, metadata=token, timeout=10).broadcast_id


def list_active():
    from p2p.v1 import directory_pb2
    return directory_pb2.ListActiveRequest()


def code_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


if __name__ == "__main__":
    harness.main(globals())
