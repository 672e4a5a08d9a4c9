"""The judge of captures finds each kind of repetition that is planted, and nothing in what the page allows."""
import os
import struct
import tempfile
import unittest

from relay_capture import CHALLENGE, DATA, KeyUse, REGISTER, REGISTERED, judge

CONN = b"conn-id1"
PORT = 4400


def random(n):
    return bytes([n]) * 16


def register(client, stage=1, cookie=b"c", body=b"b", conn=CONN):
    if stage == 0:
        return bytes([REGISTER, 0, 0, 0]) + conn + random(client) + bytes(212) + random(99)
    return bytes([REGISTER, 1, 0, 0]) + conn + random(client) + cookie * 16 + body * 196 + cookie * 16


def registered(client, server, body=b"b", conn=CONN):
    return bytes([REGISTERED, 0, 0, 0]) + conn + random(client) + random(server) + body * 52


def data(number, epoch=0, body=b"x", conn=CONN):
    return bytes([DATA, epoch, 0, 0]) + conn + number.to_bytes(8, "big") + body * 40


def session(client, server):
    """A whole registration with repeats, and the first packets of both sides. (to_client, datagram) each."""
    challenge = bytes([CHALLENGE, 0, 0, 0]) + CONN + bytes(52)
    return [(False, register(client, 0)), (False, register(client, 0)), (True, challenge), (False, register(client)),
            (False, register(client, cookie=b"d")), (True, registered(client, server)), (True, registered(client, server)),
            (False, data(1)), (True, data(1)), (True, data(2)), (False, data(2))]


class RelayCaptureTest(unittest.TestCase):
    def findings(self, *sequences):
        use = KeyUse()
        for sequence in sequences:
            for to_client, datagram in sequence:
                use.add(to_client, datagram)
        return use.findings

    def one(self, text, *sequences):
        found = self.findings(*sequences)
        self.assertEqual(len(found), 1, found)
        self.assertIn(text, found[0])

    def test_what_the_page_allows(self):
        self.assertEqual(self.findings(session(1, 1)), [])
        self.assertEqual(self.findings(session(1, 1), session(2, 2), session(3, 3)), [], "registered anew")
        epochs = [(True, data(n, epoch)) for n, epoch in ((3, 0), (4, 1), (6, 1), (5, 1), (7, 2))]
        self.assertEqual(self.findings(session(1, 1), epochs), [], "epochs go on, and the network swaps two")
        other = [(False, data(2, conn=b"conn-id2"))]
        self.one("no keys", session(1, 1), other)

    def test_a_planted_repeat_of_a_number(self):
        for to_client in (True, False):
            self.one("no new keys", session(1, 1), [(to_client, data(2, body=b"y"))])
            self.one("no new keys", session(1, 1), [(to_client, data(2))])  # A number is never sent again, not even the same.
            self.one("no new keys", session(1, 1), [(to_client, data(2, epoch=1))])  # Numbers go on in the next epoch.

    def test_a_fall_back_needs_a_random_never_seen_before(self):
        again = [(True, registered(1, 1)), (False, data(1))]
        self.one("no new keys", session(1, 1), again)
        self.one("no new keys", session(1, 1), session(2, 2), [(False, data(1))])

    def test_a_relay_that_forgot_its_numbers(self):
        self.one("no new keys", session(1, 1), session(2, 2), [(True, data(1)), (True, data(3))])

    def test_a_planted_second_body(self):
        self.one("client_random 0101", session(1, 1), [(False, register(1, body=b"z"))])
        self.one("client_random 0101", session(1, 1), [(False, register(1, conn=b"conn-id2"))])
        self.one("server_random 0101", session(1, 1), [(True, registered(2, 1))])
        self.one("answering client_random 0101", session(1, 1), [(True, registered(1, 2))])

    def test_what_was_not_recorded(self):
        use = KeyUse()
        for to_client, datagram in session(1, 1) + [(True, data(6)), (True, data(4))] + session(2, 2) + [(False, data(4))]:
            use.add(to_client, datagram)
        self.assertEqual((use.findings, use.missing()), ([], 3))

    def test_number_0_and_what_is_none_of_the_kinds(self):
        self.one("packet number 0", session(1, 1), [(False, data(0))])
        self.one("neither of the four kinds", session(1, 1), [(False, b"\x20" + bytes(40))])
        self.one("neither of the four kinds", session(1, 1), [(False, registered(2, 2))])

    def test_it_reads_what_tcpdump_writes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.pcap")
            with open(path, "wb") as file:
                file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
                # The last three in one piece, as the kernel got them; the repeat hides in it.
                together = data(3, body=b"y" * 30) + data(2, body=b"y" * 30) + data(4)
                for to_client, datagram in session(1, 1) + [(True, together)]:
                    ports = (PORT, 5000) if to_client else (5000, PORT)
                    ip = b"\x45" + bytes(8) + b"\x11" + bytes(10)
                    frame = bytes(12) + b"\x08\0" + ip + struct.pack(">HHHH", *ports, 8 + len(datagram), 0) + datagram
                    file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
            use = judge(path, PORT)
            self.assertEqual(use.counts, {DATA: 7, REGISTER: 4, CHALLENGE: 1, REGISTERED: 2})
            self.assertEqual(len(use.findings), 1, use.findings)


if __name__ == "__main__":
    unittest.main()
