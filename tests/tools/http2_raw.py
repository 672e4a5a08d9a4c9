"""A peer that speaks as much TLS and HTTP/2 as it likes and no more: for what no library would send."""
import select
import socket
import ssl
import struct
import time

DATA, HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def settings(**values):
    numbers = {"initial_window": 4, "max_frame": 5}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack("!HI", numbers[k], v) for k, v in values.items()))


def _text(value):
    assert len(value) < 127
    return bytes([len(value)]) + value.encode()


def call_headers(method, **metadata):
    """The header block of a gRPC call, nothing of it indexed: it needs no memory of what came before."""
    block = b"\x83\x87" + b"\x04" + _text(method) + b"\x01" + _text("localhost")  # POST, https, :path, :authority
    for name, value in {"te": "trailers", "content-type": "application/grpc", **metadata}.items():
        block += b"\x00" + _text(name) + _text(value)
    return block


def message(data=b""):
    return b"\x00" + struct.pack("!I", len(data)) + data


class Peer:
    """One connection. Each send and read says False when the other side has ended it."""

    def __init__(self, port, source="127.0.0.1", tls=True):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        self.sent += len(data)
        return True

    def pour(self, data):
        """Sends, and reads and forgets what comes meanwhile: else the server's side would stop first."""
        self.socket.setblocking(False)
        rest = memoryview(data)
        while rest:
            try:
                sent = self.socket.send(rest)
                rest, self.sent = rest[sent:], self.sent + sent
            except ssl.SSLWantWriteError:
                select.select([self.socket], [self.socket], [], 10)
            except OSError:
                return False
            try:
                if not self.socket.recv(65536):
                    return False
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            except OSError:
                return False
        return True

    def begin(self, **values):
        """Preface and settings; the server's are acknowledged, so that its limits hold."""
        return self.send(PREFACE + settings(**values) + frame(SETTINGS, 1, 0))

    def await_end(self, limit):
        """Reads and forgets until the connection ends; False when it is still there after LIMIT seconds."""
        end = time.monotonic() + limit
        while True:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                if not self.socket.recv(65536):
                    return True
            except (TimeoutError, socket.timeout):
                if time.monotonic() >= end:
                    return False
            except OSError:
                return True

    def close(self):
        self.socket.close()
