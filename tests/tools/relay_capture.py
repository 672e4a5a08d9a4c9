"""Did any key seal two different things under one nonce? Reads a capture of a relay's UDP port and says, by proto/RELAY_DATAGRAM.md.

The keys are not known to it, but what makes them is in the clear: a session's keys come from (conn_id, client_random, server_random),
a registration body's from its randoms; the nonce is the packet number, 0 for the bodies. DATA does not name its randoms, so a sender
may use a number again only after a REGISTERED that brought a server_random never seen before."""
import os
import re
import signal
import socket
import struct

from drive import Process, wait_for

DATA, REGISTER, CHALLENGE, REGISTERED = 0x10, 0x11, 0x12, 0x13
HEADER_SIZE, REGISTER_SIZE, REGISTERED_SIZE = 20, 256, 96
END = b"\0the end"  # A datagram that everybody is silent to.


class KeyUse:
    """Takes the datagrams in the order in which they were sent; `findings` is empty when no pair of key and nonce came twice."""

    def __init__(self):
        self.findings = []
        self.counts = {DATA: 0, REGISTER: 0, CHALLENGE: 0, REGISTERED: 0}
        self._sealed = {}  # What a registration key sealed, by the randoms that make it.
        self._fresh = set()  # (conn_id, direction) that may go on to new keys.
        self._skipped = 0  # Of keys that were left.
        self._used = {}  # Numbers under the present keys, by (conn_id, direction).

    def add(self, to_client, datagram):
        kind, length = datagram[0], len(datagram)
        if kind == DATA and length >= HEADER_SIZE:
            self._data(to_client, datagram)
        elif kind == REGISTER and not to_client and length == REGISTER_SIZE:
            self._register(datagram)
        elif kind == REGISTERED and to_client and length == REGISTERED_SIZE:
            self._registered(datagram)
        elif kind != CHALLENGE or not to_client:
            self.findings.append(f"neither of the four kinds, or not in this direction: {datagram[:4].hex()}, {length} bytes")
            return
        self.counts[kind] += 1

    def missing(self):
        """How many numbers below the highest were not seen: sealed and not sent, or sent and not recorded."""
        return self._skipped + sum(max(used) - len(used) for used in self._used.values())

    def _same(self, key, sealed, what):
        """Resends are byte-identical."""
        if self._sealed.setdefault(key, sealed) != sealed:
            self.findings.append(f"{what} sealed two different bodies")

    def _register(self, datagram):
        client_random = datagram[12:28]
        if datagram[1] == 1:  # Stage 0 seals nothing. A new cookie (28..43) changes nothing that is sealed, but does change the mac.
            self._same(("register", client_random), datagram[:28] + datagram[44:240], f"client_random {client_random.hex()}")

    def _registered(self, datagram):
        conn_id, client_random, server_random = datagram[4:12], datagram[12:28], datagram[28:44]
        if ("registered", server_random) not in self._sealed:
            self._fresh |= {(conn_id, False), (conn_id, True)}
        self._same(("registered", server_random), datagram, f"server_random {server_random.hex()}")
        self._same(("answer", client_random), datagram, f"answering client_random {client_random.hex()}, the relay")

    def _data(self, to_client, datagram):
        conn_id, number = datagram[4:12], int.from_bytes(datagram[12:20], "big")
        keys = (conn_id, to_client)
        used = self._used.get(keys)
        if used is None or number in used:
            if keys not in self._fresh:
                why = "no keys" if used is None else "no new keys since it came before"
                self.findings.append(f"{'to' if to_client else 'from'} {conn_id.hex()}: packet number {number}, epoch {datagram[1]}: {why}")
            self._fresh.discard(keys)
            self._skipped += max(used) - len(used) if used else 0
            used = self._used[keys] = set()
        if number == 0:
            self.findings.append(f"{'to' if to_client else 'from'} {conn_id.hex()}: packet number 0 belongs to the registration")
        used.add(number)


def cut(payload):
    """The datagrams in what the kernel was to cut into equal ones (UDP_SEGMENT), of which a capture on the loopback device shows the
    whole. All are of one session, and each has its conn_id at byte 4."""
    again = payload.find(payload[4:12], HEADER_SIZE) if len(payload) > HEADER_SIZE else -1
    size = again - 4 if again > 0 else len(payload)
    return [payload[at:at + size] for at in range(0, len(payload), size)]


def datagrams(path, port):
    """(to_client, bytes) of each UDP datagram over IPv4 in a pcap file of Ethernet frames."""
    with open(path, "rb") as file:
        head = file.read(24)
        magic, kind = struct.unpack("<I16xI", head)
        if magic != 0xA1B2C3D4 or kind != 1:
            raise ValueError(f"{path} is no little-endian pcap file of Ethernet frames: {head.hex()}")
        while len(record := file.read(16)) == 16:
            frame = file.read(struct.unpack("<8xI4x", record)[0])
            udp = 14 + (frame[14] & 15) * 4
            source, target, length = struct.unpack_from(">HHH", frame, udp)
            payload = frame[udp + 8:udp + length]
            if port in (source, target) and payload != END:
                for datagram in cut(payload) if payload else ():
                    yield source == port, datagram


def judge(path, port):
    use = KeyUse()
    for to_client, datagram in datagrams(path, port):
        use.add(to_client, datagram)
    return use


class Recording:
    """Records what passes a relay's port on the loopback device until judge(); `reason` says why it cannot."""

    def __init__(self, world, port):
        self.port, self.path, self.reason, self.dump = port, world.path(f"relay-{port}.pcap"), None, None
        try:
            self.dump = world.add(Process(["tcpdump", "-i", "lo", "-n", "-U", "-s", "65535", "-B", "131072", "-Z", "root",
                                           "-w", self.path, f"ip and udp port {port}"], name="tcpdump"))
        except FileNotFoundError:
            self.reason = "tcpdump is not installed"
            return
        listens = wait_for("tcpdump listens", lambda: any("listening" in line for line in self.dump.err) or
                           self.dump.process.poll() is not None and "ended")
        if listens == "ended":
            self.reason = f"tcpdump cannot record: {self.dump.err[-1:]}"

    def judge(self):
        """The KeyUse of what was recorded, which is all that was sent."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(END, ("127.0.0.1", self.port))
        wait_for("all of it is in the file", self._ended)
        self.dump.signal(signal.SIGINT)
        self.dump.wait(60)
        lost = [re.match(r"(\d+) packets? dropped by kernel", line) for line in self.dump.err]
        if [int(m.group(1)) for m in lost if m] != [0]:
            raise ValueError(f"the recording is not whole: {self.dump.err}")
        use = judge(self.path, self.port)
        os.remove(self.path)  # Up to gigabytes.
        return use

    def _ended(self):
        with open(self.path, "rb") as file:
            file.seek(max(0, os.path.getsize(self.path) - 100_000))  # Others may speak after it.
            return END in file.read()
