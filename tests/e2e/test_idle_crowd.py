"""Ten thousand connections that only hold a place: from one address or from two hundred, silent or with a Hello. Members get in
meanwhile, and the crowd is gone soon. The short form is smaller, with shorter deadlines."""
import resource
import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import harness
import http2_raw as h2
from harness import LONG, Raw, check, equal, scale

CROWD, CAP = scale((600, 200), (10_000, 10_000))
HELLO = scale(2, 15)  # Seconds until who says nothing is ended.
OPTIONS = [] if LONG else ["--max-connections", str(CAP), "--set", f"timing.tls_handshake={HELLO}s",
                           "--set", f"timing.hello={HELLO}s"]
SLACK = 5
PASSWORD = "a good password"
GREETING = [h2.frame(h2.HEADERS, h2.END_HEADERS, 1, h2.call_headers("/p2p.v1.AccountService/Hello")),
            h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message())]


class Newcomer:
    """Logs in again and again, each time on a connection of its own."""

    def __init__(self, server):
        self.server, self.took, self.over = server, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def log_in(self):
        raw = Raw(self.server)
        try:
            raw.log_in("bob", PASSWORD)
            return True
        except Exception:  # noqa: BLE001 - refused or cut: again, and it counts as time
            return False
        finally:
            raw.close()

    def run(self):
        while not self.over.wait(0.1):
            started = time.monotonic()
            while not self.log_in():
                if time.monotonic() - started > 60:
                    break
                time.sleep(0.1)  # A person's pause; not what is awaited.
            self.took.append(time.monotonic() - started)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        harness.wait_for("enough log-ins to judge by", lambda: len(self.took) >= 20, 120)
        self.over.set()
        self.thread.join()


def silent(port, source):
    connection = socket.socket()
    connection.bind((source, 0))
    connection.connect(("127.0.0.1", port))
    return connection


def greeting(port, source):
    try:
        peer = h2.Peer(port, source)
    except OSError:
        return None  # Not let in.
    return peer.socket if peer.begin() and all(peer.send(part) for part in GREETING) else None


def assemble(server, join, sources):
    """CROWD connections, a few at a time; those that were not refused on the way."""
    with ThreadPoolExecutor(8) as pool:
        joined = pool.map(lambda number: join(server.port, sources[number % len(sources)]), range(CROWD))
        return [connection for connection in joined if connection]


def await_ends(crowd, limit):
    """How many are still there when LIMIT seconds are over, and after how many seconds the last of the others went."""
    began = last = time.monotonic()
    poller = select.epoll()
    there = {}
    for connection in crowd:
        connection.setblocking(False)
        there[connection.fileno()] = connection
        poller.register(connection.fileno(), select.EPOLLRDHUP | select.EPOLLHUP)
    while there and time.monotonic() < began + limit:
        for number, _ in poller.poll(0.1):
            poller.unregister(number)
            there.pop(number).close()
            last = time.monotonic()
    left = len(there)
    for connection in there.values():
        connection.close()
    return left, last - began


def run(world, join, sources):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CROWD + 500:
        raise harness.Skip(f"a crowd of {CROWD} needs more open files than {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CROWD + 500), hard))
    server = world.server(*OPTIONS)
    member = Raw(server)
    for name in ("alice", "bob"):
        member.sign_up(name, PASSWORD)
    token = member.log_in("alice", PASSWORD)
    with Newcomer(server) as newcomer:
        crowd = assemble(server, join, sources)
        left, seconds = await_ends(crowd, HELLO + SLACK)
    p99 = sorted(newcomer.took)[int(len(newcomer.took) * 0.99) - 1]
    print(f"        {CROWD} from {len(sources)}: {len(crowd)} connected, {left} left, the last of the others after {seconds:.1f} s; "
          f"{len(newcomer.took)} log-ins, p99 {p99:.2f} s", flush=True)
    check(left == 0, f"{left} of the crowd are still there after {HELLO + SLACK} s")
    check(p99 <= 2, f"log-ins meanwhile: p99 {p99:.2f} s")
    equal(len(member.directory.ListActive(list_request(), metadata=token, timeout=10).clients), 0, "the member's session lives")


def list_request():
    from p2p.v1 import directory_pb2
    return directory_pb2.ListActiveRequest()


ONE = ["127.0.2.1"]
MANY = [f"127.0.2.{number}" for number in range(1, 201)]


def test_silent_from_one_address(world):
    run(world, silent, ONE)


def test_silent_from_two_hundred(world):
    run(world, silent, MANY)


def test_with_a_hello_from_one_address(world):
    run(world, greeting, ONE)


def test_with_a_hello_from_two_hundred(world):
    run(world, greeting, MANY)


if __name__ == "__main__":
    harness.main(globals())
