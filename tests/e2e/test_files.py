"""Files between two clients: offer, accept, progress, pause, cancel, cuts and restarts, and what must never happen.

The short form sends 64 MiB through 5 cuts; with P2P_LONG=1 it is 1 GiB through 20."""
import hashlib
import os
import random
import subprocess
import time

import harness
from harness import check, equal, scale, wait_for
from test_chat_kills import introduce

SIZE, CUTS = scale((64 << 20, 5), (1 << 30, 20))
FAST = ("--set", "timing.peer_ping=1s")


def make_file(path, size, seed=1):
    """Pseudo-random content; its SHA-256."""
    dice, digest = random.Random(seed), hashlib.sha256()
    with open(path, "wb") as file:
        while size > 0:
            block = dice.randbytes(min(size, 1 << 20))
            digest.update(block)
            file.write(block)
            size -= len(block)
    return digest.hexdigest()


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pair(world, *args):
    server = world.server()
    people = [world.member(server, n, *FAST, *args) for n in ("alice", "bob")]
    introduce(*people)
    return server, *people


def offer(sender, receiver, path):
    sender.send(cmd="sendfile", peer=receiver.name, path=path)
    sender.expect("transfer", state="preparing")
    return receiver.expect("file_offer", peer=sender.name, timeout=60)


def downloads(client):
    return os.path.join(client.data_dir, "downloads")


def visible(client):
    folder = downloads(client)
    return sorted(n for n in os.listdir(folder) if not n.startswith(".")) if os.path.isdir(folder) else []


def test_a_file_arrives_whole_under_its_name(world):
    _, alice, bob = pair(world)
    source = world.path("notes and ünïcode.txt")
    for size in (0, 1, 65536, 1_000_003):
        digest = make_file(source, size, seed=size)
        got = offer(alice, bob, source)
        equal((got["name"], got["size"], got["sha256"]), ("notes and ünïcode.txt", size, digest), "offer")
        bob.send(cmd="accept-file", id=got["id"])
        done = bob.expect("transfer", state="done", id=got["id"])
        alice.expect("transfer", state="done", id=got["id"])
        equal(sha256(done["path"]), digest, "content")
        equal(os.stat(done["path"]).st_mode & 0o777, 0o600, "mode")
    # Nothing was overwritten.
    equal(visible(bob), sorted(["notes and ünïcode.txt"] + [f"notes and ünïcode ({n}).txt" for n in (2, 3, 4)]), "names")


def test_decline_cancel_and_pause(world):
    _, alice, bob = pair(world)
    source = world.path("big.bin")
    digest = make_file(source, 48 << 20)
    got = offer(alice, bob, source)
    bob.send(cmd="cancel_file", id=got["id"])
    alice.expect("transfer", state="cancelled", id=got["id"])
    got = offer(alice, bob, source)
    bob.send(cmd="accept-file", id=got["id"])
    bob.expect("transfer", state="running", id=got["id"])
    bob.send(cmd="pause_file", id=got["id"])
    bob.expect("transfer", state="paused", id=got["id"])
    # What was on its way comes, and then no more.
    part = os.path.join(downloads(bob), f".{got['id']}.part")
    size = wait_for("nothing more comes", lambda: (lambda a: (time.sleep(0.3), os.path.getsize(part))[1] == a and a + 1)(os.path.getsize(part)))
    check(size - 1 < 48 << 20, "it was paused before the end")
    alice.send(cmd="msg", peer="bob", text="still there?")  # Talking goes on.
    bob.expect("chat", text="still there?")
    bob.send(cmd="resume_file", id=got["id"])
    done = bob.expect("transfer", state="done", id=got["id"], timeout=60)
    equal(sha256(done["path"]), digest, "content")
    got = offer(alice, bob, source)
    bob.send(cmd="accept-file", id=got["id"])
    bob.expect("transfer", state="running", id=got["id"])
    alice.send(cmd="cancel_file", id=got["id"])
    bob.expect("transfer", state="cancelled", id=got["id"])
    wait_for("the part is gone", lambda: not os.path.exists(os.path.join(downloads(bob), f".{got['id']}.part")))
    equal(visible(bob), ["big.bin"], "names")


def test_cuts_and_a_restart_of_both(world):
    harness.need_namespaces()
    places = world.network(["server", "alice", "bob"])
    server = world.server(listen="[::]:4400", relay="[::]:4400", namespace=places["server"][0])
    where = {n: {"host": places["server"][1], "namespace": places[n][0]} for n in ("alice", "bob")}
    alice, bob = (world.member(server, n, *FAST, **where[n]) for n in ("alice", "bob"))
    introduce(alice, bob)
    source = world.path("large.bin")
    digest = make_file(source, SIZE)
    got = offer(alice, bob, source)
    part = os.path.join(downloads(bob), f".{got['id']}.part")
    counter = ["ip", "netns", "exec", places["bob"][0], "cat", "/sys/class/net/eth0/statistics/rx_bytes"]

    def received():
        return int(subprocess.run(counter, capture_output=True, check=True).stdout)
    server.kill()
    # Frames, TLS, TCP and Ethernet take their share: measured on the same way, without a cut.
    once = offer(alice, bob, source)
    before = received()
    bob.send(cmd="accept-file", id=once["id"])
    os.unlink(bob.expect("transfer", state="done", id=once["id"], timeout=300)["path"])
    alice.expect("transfer", state="done", id=once["id"])
    plain = received() - before
    before = received()
    bob.send(cmd="accept-file", id=got["id"])
    for cut in range(CUTS):
        wanted = SIZE * (cut + 1) // (CUTS + 2)
        wait_for(f"{wanted} bytes are there", lambda: os.path.exists(part) and os.path.getsize(part) >= wanted, timeout=120)
        if cut == CUTS // 2:
            for client in (alice, bob):
                client.kill()
            alice, bob = (world.client(server, n, *FAST, **where[n]) for n in ("alice", "bob"))
        else:
            subprocess.run(["ip", "netns", "exec", places["bob"][0], "ss", "-K", "state", "established"], capture_output=True, check=True)
        bob.expect("transfer", state="running", id=got["id"], timeout=60)
    done = bob.expect("transfer", state="done", id=got["id"], timeout=300)
    alice.expect("transfer", state="done", id=got["id"])
    equal(sha256(done["path"]), digest, "content")
    again = (received() - before - plain) / SIZE
    print(f"        {CUTS} cuts of {SIZE >> 20} MiB: {again:.2%} came again", flush=True)
    # At most half a mebibyte is on its way unacknowledged.
    check(again <= scale(CUTS * (600 << 10) / SIZE, 0.01), f"{again:.2%} came again")


def test_a_word_overtakes_the_rest_of_a_file(world):
    """Said when between an eighth and a half is there, it is heard before the file is done, whatever the machine's pace."""
    _, alice, bob = pair(world)
    source = world.path("large.bin")
    size = 256 << 20
    with open(source, "wb") as file:
        file.truncate(size)
    for number in range(5):
        got = offer(alice, bob, source)
        part = os.path.join(downloads(bob), f".{got['id']}.part")

        def there():
            try:
                return os.path.getsize(part)
            except FileNotFoundError:
                return size
        bob.send(cmd="accept-file", id=got["id"])
        bob.expect("transfer", state="running", id=got["id"])
        wait_for("an eighth is there", lambda: there() >= size // 8)
        on_its_way = there() < size // 2
        alice.send(cmd="msg", peer="bob", text=f"word {number}")
        word = bob.expect("chat", text=f"word {number}")
        done = bob.expect("transfer", state="done", id=got["id"], timeout=60)
        os.unlink(done["path"])
        if on_its_way:  # Else this test was too slow for the file.
            check(bob.events.index(word) < bob.events.index(done), "the word came after the file")
            return
    raise harness.Failure("no word was said while a file was on its way")


def test_large_files_do_not_hold_up_what_is_said(world):
    _, alice, bob = pair(world)
    source = world.path("large.bin")
    make_file(source, 256 << 20)
    got = offer(alice, bob, source)
    bob.send(cmd="accept-file", id=got["id"])
    bob.expect("transfer", state="running", id=got["id"])
    slowest = 0
    for number in range(20):
        since = time.monotonic()
        alice.send(cmd="msg", peer="bob", text=f"word {number}")
        bob.expect("chat", text=f"word {number}")
        slowest = max(slowest, time.monotonic() - since)
    running = not bob.seen("transfer", state="done", id=got["id"])
    bob.expect("transfer", state="done", id=got["id"], timeout=120)
    check(slowest < 1, f"a word took {slowest:.2f} s")
    print(f"        a word took at most {slowest * 1000:.0f} ms{'' if running else ' (the file was faster)'}", flush=True)


def test_offers_outlive_restarts(world):
    server, alice, bob = pair(world)
    source = world.path("later.txt")
    digest = make_file(source, 5000)
    got = offer(alice, bob, source)
    for client in (alice, bob):
        client.kill()
    alice, bob = (world.client(server, n, *FAST) for n in ("alice", "bob"))
    again = bob.expect("file_offer", id=got["id"])
    check(again["replayed"], "flagged")
    bob.expect("chat_open")
    bob.send(cmd="accept-file", id="")
    equal(sha256(bob.expect("transfer", state="done", id=got["id"])["path"]), digest, "content")
    alice.expect("transfer", state="done", id=got["id"])


def test_a_one_shot_sends_beside_a_client_and_alone(world):
    server, alice, bob = pair(world)
    source = world.path("report.txt")
    digest = make_file(source, 300_000)
    command = [os.path.join(world.bin, "peer-client"), "send-file", "--server", f"127.0.0.1:{server.port}", "--data-dir", alice.data_dir,
               "bob", "report.txt", "-o", "json"]

    def send(wait="30"):
        return subprocess.Popen([*command, "--wait", wait], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=world.dir)

    def finish(run):
        out, err = run.communicate(timeout=60)
        return run.returncode, out, err
    run = send()
    got = bob.expect("file_offer", timeout=30)
    bob.send(cmd="accept-file", id=got["id"])
    equal(sha256(bob.expect("transfer", state="done")["path"]), digest, "content")
    equal(finish(run)[0], 0, "exit code beside a client")
    run = send()
    got = bob.expect("file_offer", timeout=30)
    bob.send(cmd="cancel_file", id=got["id"])
    equal(finish(run)[0], 5, "exit code when it is declined")
    run = send("1")
    bob.expect("file_offer", timeout=30)
    equal(finish(run)[0], 6, "exit code when nobody answers")
    alice.send(cmd="quit")
    alice.wait()
    server.kill()  # It needs nobody.
    bob.drain()
    run = send()
    got = bob.expect("file_offer", timeout=30)
    bob.send(cmd="accept-file", id=got["id"])
    bob.expect("transfer", state="done", id=got["id"])
    code, out, err = finish(run)
    equal(code, 0, f"exit code alone ({err})")


def test_a_file_that_changes_is_not_sent(world):
    _, alice, bob = pair(world)
    source = world.path("changing.bin")
    make_file(source, 1 << 20)
    got = offer(alice, bob, source)
    make_file(source, 1 << 20, seed=2)
    bob.send(cmd="accept-file", id=got["id"])
    check("changed" in alice.expect("transfer", state="failed", id=got["id"])["reason"], "says why")
    check("changed" in bob.expect("transfer", state="cancelled", id=got["id"])["reason"], "says why")
    equal(visible(bob), [], "files")


def test_a_file_that_changes_on_its_way_comes_to_nothing(world):
    _, alice, bob = pair(world)
    source = world.path("changing.bin")
    make_file(source, 64 << 20)
    got = offer(alice, bob, source)
    bob.send(cmd="accept-file", id=got["id"])
    bob.send(cmd="pause_file", id=got["id"])
    bob.expect("transfer", state="paused", id=got["id"])
    with open(source, "r+b") as file:
        file.seek(60 << 20)
        file.write(b"changed")
    bob.send(cmd="resume_file", id=got["id"])
    check("changed" in alice.expect("transfer", state="failed", id=got["id"])["reason"], "says why")
    check("changed" in bob.expect("transfer", state="cancelled", id=got["id"])["reason"], "says why")
    equal(os.listdir(downloads(bob)), [], "files, the part as well")


def test_what_is_given_up_while_apart_is_over_for_both(world):
    server, alice, bob = pair(world)
    source = world.path("later.bin")
    make_file(source, 1 << 20)
    people = {"alice": alice, "bob": bob}
    for name, other in (("alice", "bob"), ("bob", "alice")):
        got = offer(people["alice"], people["bob"], source)
        people[other].kill()
        people[name].expect("chat_closed")
        people[name].send(cmd="cancel_file", id=got["id"])
        equal(people[name].expect("transfer", state="cancelled", id=got["id"])["reason"], "by you", name)
        people[name].kill()  # What is not on the disk is not known any more.
        people = {n: world.client(server, n, *FAST) for n in people}
        for client in people.values():
            client.expect("chat_open")
        if other == "bob":
            people["bob"].expect("file_offer", id=got["id"])  # Again, as it knows nothing yet.
            people["bob"].send(cmd="accept-file", id=got["id"])
        equal(people[other].expect("transfer", state="cancelled", id=got["id"])["reason"], "by the peer", other)


def test_the_disk_fills_up(world):
    folder = world.path("small")
    os.mkdir(folder)
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=320m", "none", folder], capture_output=True, text=True)
    if mount.returncode != 0:
        raise harness.Skip(f"no file system can be mounted: {mount.stderr.strip()}")
    try:
        server = world.server()
        alice = world.member(server, "alice", *FAST)
        bob = world.member(server, "bob", *FAST, "--downloads", folder)
        introduce(alice, bob)
        source = world.path("big.bin")
        make_file(source, 100 << 20)
        got = offer(alice, bob, source)
        bob.send(cmd="accept-file", id=got["id"])  # 256 MiB are left to the rest of the machine.
        check("not enough room" in bob.expect("error", code="RESOURCE_EXHAUSTED")["message"], "says why")
        equal(os.listdir(folder), [], "files")
        make_file(source, 50 << 20)
        got = offer(alice, bob, source)
        bob.send(cmd="accept-file", id=got["id"])
        bob.send(cmd="pause_file", id=got["id"])
        bob.expect("transfer", state="paused", id=got["id"])
        with open(os.path.join(folder, "filler"), "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(1 << 16))
            except OSError:
                pass
        bob.send(cmd="resume_file", id=got["id"])
        check("No space left" in bob.expect("transfer", state="failed", id=got["id"])["reason"], "says why")
        check("by the peer: there is no room" in alice.expect("transfer", state="cancelled", id=got["id"])["reason"], "says why")
        equal(os.listdir(folder), ["filler"], "files")
        alice.send(cmd="msg", peer="bob", text="pity")
        bob.expect("chat", text="pity")
    finally:
        for client in world.processes:
            client.kill()
        subprocess.run(["umount", "-l", folder], check=False)


def test_no_room_is_said_before_anything_is_written(world):
    _, alice, bob = pair(world)
    source = world.path("huge.bin")
    with open(source, "wb") as file:
        file.truncate(1 << 20)
    alice.send(cmd="sendfile", peer="bob", path=world.path("nothing"))
    alice.expect("error", code="INVALID_ARGUMENT")
    alice.send(cmd="sendfile", peer="bob", path=world.dir)
    check("regular" in alice.expect("error", code="INVALID_ARGUMENT")["message"], "says why")
    alice.send(cmd="sendfile", peer="carol", path=source)
    alice.expect("error", code="NO_CONVERSATION")


if __name__ == "__main__":
    harness.main(globals())
