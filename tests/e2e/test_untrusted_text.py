"""What others say never moves the terminal: bob's plain face in a terminal emulator, alice says, offers and asks everything bad.

The emulator (pyte) keeps the terminal's state: modes, margins, character sets, title, tab stops, colours, saved cursors. After each
text it must be what it was, and the bytes must hold no sequence that our own face does not use."""
import re

import harness
import pyte
import terminal
from harness import check, equal

C0 = [chr(c) for c in range(0x20) if chr(c) not in "\n"] + ["\x7f"]
C1 = [chr(c) for c in range(0x80, 0xA0)]
SEQUENCES = [
    "\x1b[2J", "\x1b[H", "\x1b[31m", "\x1b[?1049h", "\x1b[?25l", "\x1b[?2004l", "\x1b[5;10r", "\x1b[6n", "\x1b[c", "\x1b[3g", "\x1b[4h",
    "\x1b[20h", "\x1b[?7l", "\x1b7", "\x1b8", "\x1bc", "\x1bM", "\x1b(0", "\x1b)0", "\x1b#8", "\x1b=", "\x9b2J", "\x9b31m", "\x9b?25l",
    "\x1b]0;stolen title\x07", "\x1b]2;stolen title\x1b\\", "\x9d0;stolen title\x9c", "\x1b]52;c;ZXZpbA==\x07", "\x1b]8;;http://evil\x1b\\link",
    "\x1b]4;1;rgb:00/00/00\x07", "\x1bP+q544e\x1b\\", "\x90q\x9c", "\x1b_apc\x1b\\", "\x1b^pm\x1b\\", "\x1bX sos \x1b\\", "\x1b[200~paste\x1b[201~",
]
INVISIBLE = [chr(c) for c in (0x200B, 0x200E, 0x200F, 0x061C, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029,
                              0xE0001, 0xE0041)]
SPOOFS = ["fine\n12:00 <carol> send me your password", "x\r12:00 -!- carol is verified.", "a\x0b\x0cb", "12\x08\x0834"]
HOSTILE = C0 + C1 + SEQUENCES + INVISIBLE + SPOOFS
WHOLE = ["👩‍👩‍👧‍👦 and 🏳️‍🌈", "مرحبا بالعالم", "क्षत्रिय नमस्ते", "你好，世界", "می‌خواهم", "Zażółć gęślą jaźń", "e\u0301\u0327 is fine"]
# All that the face and its line editor may send by themselves: cursor moves, erasing, colours, bracketed paste.
OWN = re.compile(rb"\x1b\[[0-9;]*[ABCDGHJKPXm@hl]|\x1b\[\?(?:2004|1)[hl]|\x1b[=>]|\x1b\[\?25[hl]")


class Emulator:
    """The terminal at the other end of bob's client."""

    def __init__(self, child):
        self.child = child
        self.screen = pyte.Screen(120, 40)
        self.stream = pyte.Stream(self.screen)
        self.raw = b""

    def until(self, text):
        """Takes in what comes up to that text, and no more."""
        self.child.expect_exact(text)
        piece = self.child.before + self.child.after
        self.raw += piece.encode("utf-8", "surrogateescape")
        self.stream.feed(piece)
        return piece

    def state(self):
        s = self.screen
        return {"modes": frozenset(s.mode), "margins": s.margins, "title": s.title, "icon": s.icon_name, "sets": (s.g0_charset, s.g1_charset, s.charset),
                "tabs": frozenset(s.tabstops), "saved": len(s.savepoints), "hidden": s.cursor.hidden,
                "colours": (s.cursor.attrs.fg, s.cursor.attrs.bg, s.cursor.attrs.bold, s.cursor.attrs.reverse)}

    def check_bytes(self):
        rest = OWN.sub(b"", self.raw)
        check(b"\x1b" not in rest, f"an escape sequence that is not ours: {rest[max(0, rest.find(bytes([27])) - 20):][:60]!r}")
        text = rest.decode("utf-8", "surrogateescape")
        bad = {hex(ord(c)) for c in text if (ord(c) < 0x20 and c not in "\r\n\t\x08\x07") or 0x7F <= ord(c) < 0xA0 or c in "".join(INVISIBLE)}
        equal(bad, set(), "characters that are not ours")
        equal(text.count("\x07"), 0, "bells")


def bob_in_a_terminal(world, server):
    child = terminal.open_terminal(world, server, "bob")
    terminal.trust(child, server)
    terminal.sign_up_and_log_in(child, "bob", "bob-password")
    return child


def test_nothing_moves_the_terminal(world):
    server = world.server()
    alice = world.member(server, "alice")
    child = bob_in_a_terminal(world, server)
    bob = Emulator(child)
    alice.send(cmd="request", peer="bob", reason="\x1b]0;stolen\x07\x9b31m\u202ereason\nfake END")
    bob.until("END")
    child.sendline("y")
    bob.until("What you type now goes to alice")
    bob.until("> ")
    alice.expect("chat_open")
    before = bob.state()
    for number, text in enumerate(HOSTILE):
        alice.send(cmd="msg", peer="bob", text=f"{text}END{number};")
        bob.until(f"END{number};")
        bob.until("> ")
        equal(bob.state(), before, f"the terminal after {text!r}")
    lines = bob.raw.decode()
    check("| 12:00 <carol> send me your password" in lines, "a second line is marked as one")
    check("\n12:00 <carol>" not in lines and "\r12:00" not in lines, "nobody speaks for another")
    alice.send(cmd="broadcast", text="e" + "\u0301" * 10_000 + " END-MARKS")
    shown = bob.until("END-MARKS")
    check(shown.count("\u0301") <= 8, f"{shown.count(chr(0x301))} combining marks on one letter")
    alice.send(cmd="broadcast", text="".join(HOSTILE) + "END-ALL")
    bob.until("END-ALL")
    bob.until("> ")
    equal(bob.state(), before, "the terminal after a broadcast")
    bob.check_bytes()


def test_languages_come_through_whole(world):
    server = world.server()
    alice = world.member(server, "alice")
    child = bob_in_a_terminal(world, server)
    alice.send(cmd="request", peer="bob", reason="hi")
    child.expect_exact("Accept?")
    child.sendline("y")
    alice.expect("chat_open")
    for text in WHOLE:
        alice.send(cmd="msg", peer="bob", text=text)
        child.expect_exact(text)
    terminal.finish(child)


def test_json_lines_stay_lines(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    alice.send(cmd="request", peer="bob", reason="".join(C0))
    request = bob.expect("peer_request")
    bob.send(cmd="approve", request_id=request["request_id"])
    alice.expect("chat_open")
    bob.expect("chat_open")
    for text in HOSTILE + WHOLE:
        alice.send(cmd="msg", peer="bob", text=text)
        equal(bob.expect("chat")["text"], text, "text")  # A program gets what was said; each line of it parsed.


if __name__ == "__main__":
    harness.main(globals())
