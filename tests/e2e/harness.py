"""What every end-to-end test shares: the world, raw gRPC callers, running the test functions of a file."""
import functools
import os
import pathlib
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
sys.path.insert(0, os.environ.get("P2P_STUBS", "build/dev/tests/python"))

import drive  # noqa: E402
from drive import Failure, wait_for  # noqa: E402,F401

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# What tests fetch from package registries, kept between runs.
FETCHED = pathlib.Path(os.environ.get("P2P_FETCHED", "build/dev/tests/fetched")).absolute()
BIN = os.environ.get("P2P_BIN", "build/dev/bin")


LONG = os.environ.get("P2P_LONG") == "1"  # tests/soak promises


def scale(short, long):
    """The figure for tests/run, or the one for tests/soak promises."""
    return long if LONG else short


class Skip(Exception):
    """The machine lacks something; the text says what."""


def missing(reason):
    """Skips. Continuous integration installs every tool first, so there it is a failure."""
    raise (Failure if os.environ.get("CI") == "true" else Skip)(reason)


def once(fetch):
    """Decorates what asks a package registry: one that does not answer costs a minute, so it is asked once a process."""
    outcome = []

    @functools.wraps(fetch)
    def ask(*args):
        if not outcome:
            try:
                outcome.append((fetch(*args), None))
            except (Skip, Failure) as reason:
                outcome.append((None, reason))
        value, reason = outcome[0]
        if reason is not None:
            raise reason
        return value
    return ask


def need_namespaces():
    reason = drive.namespaces_work()
    if reason:
        raise Skip(reason)


def world():
    return drive.World(BIN, keep=bool(os.environ.get("P2P_KEEP")))


def check(condition, text):
    if not condition:
        raise Failure(text)


def equal(got, want, what="value"):
    check(got == want, f"{what}: got {got!r}, want {want!r}")


class Raw:
    """A caller with stubs only: what somebody writes who has nothing but the .proto files."""

    def __init__(self, server, certificate=None):
        import grpc
        from p2p.v1 import accounts_pb2_grpc, broadcast_pb2_grpc, directory_pb2_grpc, peering_pb2_grpc
        credentials = grpc.ssl_channel_credentials(certificate or server.certificate)
        self.channel = grpc.secure_channel(f"localhost:{server.port}", credentials,
                                           options=[("grpc.use_local_subchannel_pool", 1)])
        self.accounts = accounts_pb2_grpc.AccountServiceStub(self.channel)
        self.directory = directory_pb2_grpc.DirectoryServiceStub(self.channel)
        self.peering = peering_pb2_grpc.PeeringServiceStub(self.channel)
        self.broadcasts = broadcast_pb2_grpc.BroadcastServiceStub(self.channel)

    def sign_up(self, username, password):
        from p2p.v1 import accounts_pb2
        return self.accounts.Signup(accounts_pb2.SignupRequest(username=username, password=password,
                                                               confirm_password=password), timeout=10)

    def log_in(self, username, password, device=False):
        from p2p.v1 import accounts_pb2
        request = accounts_pb2.LoginRequest(username=username, password=password)
        if device:
            request.device_public_key = os.urandom(32)
            request.chat_endpoint.port = 4401
        response = self.accounts.Login(request, timeout=10)
        return [("authorization", f"Bearer {response.session_token}")]

    def reflected(self, symbol):
        """The file descriptor that declares SYMBOL, as the server itself describes it (gRPC reflection v1alpha)."""
        from google.protobuf import descriptor_pb2
        name = symbol.encode()
        ask = self.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        answer = next(ask(iter([b"\x22" + bytes([len(name)]) + name]), timeout=10))  # file_containing_symbol = 4
        at = 0
        while at < len(answer):  # Fields 1 to 7, all length-delimited; file_descriptor_response = 4 holds bytes = 1.
            length, body = _varint(answer, at + 1)
            if answer[at] == 0x22:
                size, start = _varint(answer, body + 1)
                return descriptor_pb2.FileDescriptorProto.FromString(answer[start:start + size])
            at = body + length
        raise Failure(f"no descriptor of {symbol} in {answer!r}")

    def close(self):
        self.channel.close()


def _varint(data, at):
    """The varint at AT and the place behind it."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def main(namespace):
    """Runs every test_* function of the calling file (or those named on the command line); each gets a fresh World."""
    tests = {n: f for n, f in namespace.items() if n.startswith("test_") and callable(f)}
    wanted = sys.argv[1:] or list(tests)
    failed, skipped = 0, 0
    for name in wanted:
        started = time.monotonic()
        try:
            with world() as place:
                tests[name](place)
            print(f"ok      {name} ({time.monotonic() - started:.1f} s)", flush=True)
        except Skip as reason:
            skipped += 1
            print(f"skipped: {name}: {reason}", flush=True)
        except Exception:  # noqa: BLE001 - a test may fail in any way
            failed += 1
            print(f"FAILED  {name} ({time.monotonic() - started:.1f} s)", flush=True)
            traceback.print_exc()
    if failed:
        sys.exit(1)
    sys.exit(77 if skipped == len(wanted) else 0)
