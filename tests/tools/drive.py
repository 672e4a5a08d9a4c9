"""Drives the real programs: a control-server, peer-clients in JSON lines, network namespaces. Used by tests/e2e and
deploy/demo.py. Nothing here knows a test."""
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

DEADLINE = float(os.environ.get("P2P_TEST_DEADLINE", "20"))


class Failure(Exception):
    """An expectation that did not hold; the text says which."""


def wait_for(what, condition, timeout=None):
    """Polls until condition() is true; its value is returned."""
    end = time.monotonic() + (timeout or DEADLINE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"not within {timeout or DEADLINE:g} s: {what}")
        time.sleep(0.01)


def pause(pid):
    """Stops a process; every thread of it is stopped on return (the signal itself only asks for it). SIGCONT lets it go on."""
    os.kill(pid, signal.SIGSTOP)

    def stopped(thread):
        with open(f"/proc/{pid}/task/{thread}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "T"
    wait_for(f"process {pid} is stopped", lambda: all(map(stopped, os.listdir(f"/proc/{pid}/task"))))


class Process:
    """A child whose output lines are collected by threads."""

    def __init__(self, argv, namespace=None, cwd=None, name=None, env=None, wrap=()):
        if namespace:
            argv = ["ip", "netns", "exec", namespace] + argv
        name = name or os.path.basename(argv[0])
        argv = [*wrap, *argv]  # For example prlimit, which becomes the program.
        self.argv, self.name = argv, name
        self.out, self.err = [], []
        self._fresh = queue.Queue()
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        cwd=cwd, env=env, start_new_session=True)
        self._threads = [threading.Thread(target=self._read, args=(self.process.stdout, self.out, True), daemon=True),
                         threading.Thread(target=self._read, args=(self.process.stderr, self.err, False), daemon=True)]
        for thread in self._threads:
            thread.start()

    def _read(self, pipe, lines, fresh):
        for raw in pipe:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            lines.append(line)
            if fresh:
                self._fresh.put(line)
        if fresh:
            self._fresh.put(None)

    def next_line(self, timeout):
        """The next line of stdout; None at its end. Raises queue.Empty."""
        line = self._fresh.get(timeout=max(0.0, timeout))
        if line is None:
            self._fresh.put(None)
        return line

    @property
    def pid(self):
        return self.process.pid

    def write(self, text):
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failure(f"{self.name} has closed its input; stderr: {self.err[-5:]}") from None

    def signal(self, number):
        if self.process.poll() is None:
            os.killpg(self.pid, number)

    def pause(self):
        pause(self.pid)

    def resume(self):
        self.signal(signal.SIGCONT)

    def await_unread_datagram(self):
        """Returns when a datagram lies in a socket of it that it does not read: it is paused."""
        folder = f"/proc/{self.pid}/fd"
        sockets = {os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)}

        def unread():  # Columns of proc(5): 4 is tx_queue:rx_queue in hex, 9 the inode.
            with open(f"/proc/{self.pid}/net/udp") as file:
                rows = [line.split() for line in file][1:]
            return any(int(row[4].split(":")[1], 16) > 0 for row in rows if f"socket:[{row[9]}]" in sockets)
        wait_for(f"a datagram waits for {self.name}", unread)

    def wait(self, timeout=None):
        try:
            code = self.process.wait(timeout or DEADLINE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {timeout or DEADLINE:g} s") from None
        for thread in self._threads:
            thread.join(5)
        return code

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout=None):
        self.signal(signal.SIGTERM)
        return self.wait(timeout)


READY = re.compile(r"^ready control=(\S+) relay=(\S+) http=(\S+) max=(\d+) fingerprint=(SHA256:\S+)$")


class Server(Process):
    def __init__(self, bin_dir, data_dir, *args, listen="127.0.0.1:0", relay="127.0.0.1:0", **kwargs):
        argv = [os.path.join(bin_dir, "control-server"), "--data-dir", data_dir, "--listen", listen, "--relay-listen", relay]
        super().__init__(argv + list(args), **kwargs)
        self.data_dir = data_dir
        try:
            line = self.next_line(DEADLINE)
        except queue.Empty:
            line = None
        match = READY.match(line or "")
        if not match:
            self.kill()
            raise Failure(f"control-server did not become ready: {line!r}; stderr: {self.err[-5:]}")
        self.control, self.relay, self.http, maximum, self.fingerprint = match.groups()
        self.max = int(maximum)
        self.port = int(self.control.rsplit(":", 1)[1])
        self.relay_port = int(self.relay.rsplit(":", 1)[1]) if self.relay != "none" else 0

    @property
    def certificate(self):
        with open(os.path.join(self.data_dir, "server.crt"), "rb") as file:
            return file.read()


class Relay(Process):
    """A udp-relay process; await_ready() once it is expected to be linked."""

    def __init__(self, bin_dir, control, token_file, fingerprint, *args, listen="127.0.0.1:0", **kwargs):
        argv = [os.path.join(bin_dir, "udp-relay"), "--control", control, "--listen", listen, "--token-file", token_file,
                "--server-fingerprint", fingerprint]
        super().__init__(argv + list(args), **kwargs)

    def await_ready(self, timeout=None):
        try:
            line = self.next_line(timeout or DEADLINE)
        except queue.Empty:
            line = None
        match = re.match(r"^ready relay=(\S+)$", line or "")
        if not match:
            raise Failure(f"udp-relay did not become ready: {line!r}; stderr: {self.err[-5:]}")
        self.address = match.group(1)
        self.port = int(self.address.rsplit(":", 1)[1])
        return self


class Events:
    """What a peer-client --jsonl says and is told, over any transport that has write(), next_line(), running(), name and err.
    Events are kept; expect() consumes in order of arrival but may skip others."""

    def __init__(self):
        self.events = []  # Everything seen so far.
        self._pending = []  # Seen and not consumed.

    def send(self, **command):
        self.write(json.dumps(command) + "\n")

    def line(self, text):
        self.write(text + "\n")

    def _pump(self, timeout):
        line = self.next_line(timeout)
        if line is None:
            return False
        event = json.loads(line)
        event["_seen"] = time.time()
        self.events.append(event)
        self._pending.append(event)
        return True

    def drain(self):
        """Takes in what has arrived, without waiting."""
        try:
            while self._pump(0):
                pass
        except queue.Empty:
            pass
        return self.events

    def expect(self, event, timeout=None, **fields):
        """The first event of that name with those fields not consumed before; waits for it."""
        end = time.monotonic() + (timeout or DEADLINE)
        index = 0
        while True:
            while index < len(self._pending):
                candidate = self._pending[index]
                index += 1
                if candidate["event"] == event and all(candidate.get(k) == v for k, v in fields.items()):
                    self._pending.remove(candidate)
                    return candidate
            try:
                alive = self._pump(end - time.monotonic())
            except queue.Empty:
                alive = False
            if not alive and index >= len(self._pending):
                state = "runs" if self.running() else "ended"
                seen = [{k: v for k, v in e.items() if k not in ("_seen", "at")} for e in self.events[-8:]]
                raise Failure(f"{self.name} ({state}): no {event} {fields or ''} within {timeout or DEADLINE:g} s; "
                              f"last events {seen}; stderr {self.err[-3:]}")

    def seen(self, event, **fields):
        return [e for e in self.drain() if e["event"] == event and all(e.get(k) == v for k, v in fields.items())]

    def sign_up(self, username, password):
        self.send(cmd="signup", username=username, password=password, confirm_password=password)
        return self.expect("signed_up")

    def log_in(self, username, password):
        self.send(cmd="login", username=username, password=password)
        return self.expect("logged_in", username=username)


class Client(Events, Process):
    """A peer-client --jsonl that is a child of this process."""

    def __init__(self, bin_dir, data_dir, host, port, fingerprint, *args, name="client", **kwargs):
        argv = [os.path.join(bin_dir, "peer-client"), "--jsonl", "--data-dir", data_dir]
        if fingerprint:
            argv += ["--server-fingerprint", fingerprint]
        Events.__init__(self)
        Process.__init__(self, argv + list(args) + [host, str(port)], name=name, **kwargs)
        self.data_dir = data_dir

    def running(self):
        return self.process.poll() is None


class World:
    """A temporary directory, and the processes and namespaces made in it; all gone at the end."""

    def __init__(self, bin_dir, keep=False):
        self.bin = os.path.abspath(bin_dir)
        self.dir = tempfile.mkdtemp(prefix="p2p-")
        self.processes, self.namespaces, self.links = [], [], []
        self.keep = keep

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.kill()
        for namespace in self.namespaces:
            subprocess.run(["ip", "netns", "del", namespace], stderr=subprocess.DEVNULL)
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def add(self, process):
        self.processes.append(process)
        return process

    def path(self, name):
        return os.path.join(self.dir, name)

    def server(self, *args, data="server", **kwargs):
        return self.add(Server(self.bin, self.path(data), *args, **kwargs))

    def client(self, server, name, *args, host="127.0.0.1", port=None, fingerprint=None, **kwargs):
        return self.add(Client(self.bin, self.path(name), host, port or server.port, fingerprint or server.fingerprint,
                               *args, name=name, **kwargs))

    def relay(self, server, token_file, *args, control=None, fingerprint=None, **kwargs):
        return self.add(Relay(self.bin, control or f"127.0.0.1:{server.port}", token_file, fingerprint or server.fingerprint,
                              *args, **kwargs))

    def member(self, server, name, *args, password=None, **kwargs):
        """A client that has signed up and is attached."""
        client = self.client(server, name, *args, **kwargs)
        client.expect("connected")
        client.sign_up(name, password or f"{name}-password")
        client.log_in(name, password or f"{name}-password")
        return client

    def network(self, names, prefix="10.44.0."):
        """Namespaces on one bridge of their own, addresses prefix+1, +2, …; returns {name: (namespace, address)}."""
        tag = f"p2p{os.getpid() % 100000}"
        hub = f"{tag}-hub"
        self._ip("netns", "add", hub)
        self.namespaces.append(hub)
        self._ip("-n", hub, "link", "add", "br0", "type", "bridge")
        self._ip("-n", hub, "link", "set", "br0", "up")
        places = {}
        for number, name in enumerate(names, 1):
            namespace = f"{tag}-{name}"
            self._ip("netns", "add", namespace)
            self.namespaces.append(namespace)
            self._ip("-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", f"v{number}", "netns", hub)
            self._ip("-n", hub, "link", "set", f"v{number}", "master", "br0", "up")
            self._ip("-n", namespace, "addr", "add", f"{prefix}{number}/24", "dev", "eth0")
            self._ip("-n", namespace, "link", "set", "eth0", "up")
            self._ip("-n", namespace, "link", "set", "lo", "up")
            places[name] = (namespace, f"{prefix}{number}")
        return places

    @staticmethod
    def _ip(*args):
        run = subprocess.run(["ip", *args], capture_output=True, text=True)
        if run.returncode != 0:
            raise Failure(f"ip {' '.join(args)}: {run.stderr.strip()}")


def namespaces_work():
    """None, or why network namespaces cannot be made here."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "ip (iproute2) is not installed"
    name = f"p2p{os.getpid() % 100000}-try"
    run = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if run.returncode != 0:
        return f"network namespaces cannot be made: {run.stderr.strip()}"
    veth = subprocess.run(["ip", "-n", name, "link", "add", "a0", "type", "veth", "peer", "name", "a1"],
                          capture_output=True, text=True)
    bridge = subprocess.run(["ip", "-n", name, "link", "add", "br0", "type", "bridge"], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "del", name])
    for attempt in (veth, bridge):
        if attempt.returncode != 0:
            return f"virtual network devices cannot be made: {attempt.stderr.strip()}"
    return None
