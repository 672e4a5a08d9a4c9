"""How the show reaches a server and clients that run in containers of their own (deploy/compose.yaml).

Each client's container has two FIFOs in the volume that it shares with the show: NAME.in is the standard input of its
peer-client, NAME.out the standard output. The client starts when the show opens both and ends at `quit`; NAME.exit then holds
its exit code. The server's ready line is a file in a second volume. Its processes are visible because the show shares the
server's PID namespace; it has no further rights over them than those of their common user.
"""
import errno
import os
import pathlib
import queue
import signal
import threading

import drive

SHOW = pathlib.Path("/run/p2p")
IDENTITY = pathlib.Path("/run/p2p-identity")


class RemoteClient(drive.Events):
    """A peer-client --jsonl in its container."""

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.err = [f"(see the log of the container {name})"]
        self._exit = SHOW / f"{name}.exit"
        self._exit.unlink(missing_ok=True)
        self._lines = queue.Queue()
        self._in = drive.wait_for(f"the container of {name} takes input", self._open_input)
        self._ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _open_input(self):
        try:
            fd = os.open(SHOW / f"{self.name}.in", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENXIO):  # Not made yet, nobody reads yet.
                return None
            raise
        os.set_blocking(fd, True)
        return os.fdopen(fd, "wb", buffering=0)

    def _read(self):
        with open(SHOW / f"{self.name}.out", "rb") as pipe:
            for raw in pipe:
                self._lines.put(raw.decode("utf-8", "replace").rstrip("\n"))
        self._ended.set()
        self._lines.put(None)

    def write(self, text):
        try:
            self._in.write(text.encode())
        except BrokenPipeError:
            raise drive.Failure(f"{self.name} has closed its input") from None

    def next_line(self, timeout):
        line = self._lines.get(timeout=max(0.0, timeout))
        if line is None:
            self._lines.put(None)
        return line

    def running(self):
        return not self._ended.is_set()

    def wait(self):
        """The exit code, once the client has ended."""
        if not self._ended.wait(drive.DEADLINE):
            raise drive.Failure(f"{self.name} did not end within {drive.DEADLINE:g} s")
        self._in.close()
        return int(drive.wait_for(f"the exit code of {self.name}",
                                  lambda: self._exit.exists() and self._exit.read_text().strip()))


def _ready_line(path):
    def read():
        text = path.read_text() if path.exists() else ""
        return text.split("\n")[0] if "\n" in text else None
    return drive.wait_for(f"the ready line in {path}", read)


class ComposeStage:
    """Server and clients are there already, each in its container."""

    by_address = True
    what = "Everybody has a container of their own on a private network, all on port 4400; peers are asked by IP address."

    def start(self):
        """What the server said, and the relay if it is a process of its own."""
        lines = [("server", _ready_line(IDENTITY / "server"))]
        if os.environ.get("P2P_SHOW_RELAY") == "1":
            lines.append(("relay", _ready_line(IDENTITY / "relay")))
        return lines

    def open(self, name):
        return RemoteClient(name)

    def pause(self):
        drive.pause(self._server_pid())

    def resume(self):
        os.kill(self._server_pid(), signal.SIGCONT)

    @staticmethod
    def _server_pid():
        """Of the server itself: the probes of the health check have the same name and are younger."""
        for pid in sorted(int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit()):
            try:
                if pathlib.Path(f"/proc/{pid}/comm").read_text() == "control-server\n":
                    return pid
            except (FileNotFoundError, ProcessLookupError):
                continue  # Ended meanwhile.
        raise drive.Failure("no process of the server is to be seen")

    def stop(self):
        return "goes on; its container is stopped by Compose"
