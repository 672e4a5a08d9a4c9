"""A second client, written from the pages in proto/ alone (tests/e2e/independent), beside ours at a real server."""
import os
import shutil
import subprocess

import harness
from harness import check, drive, equal

SOURCE = harness.ROOT / "tests/e2e/independent"


def modules():
    """The folder of its pinned packages, fetched once."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        harness.missing("node and npm are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < 18:
        harness.missing(f"node {version} is older than 18")
    target = harness.FETCHED / "independent"
    lock = SOURCE / "package-lock.json"
    done = target / "node_modules/.package-lock.json"
    if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
        target.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, target)
        fetch = subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=target, capture_output=True,
                               text=True, timeout=400)
        if fetch.returncode != 0:
            harness.missing(f"npm ci failed: {fetch.stderr.strip()[-300:]}")
    return str(target / "node_modules")


class Independent(drive.Client):
    def __init__(self, world, server, name, namespace=None, host="localhost"):
        self.events, self._pending = [], []
        drive.Process.__init__(self, [shutil.which("node"), str(SOURCE / "main.js"), host, str(server.port),
                                      os.path.join(server.data_dir, "server.crt"), world.path(name)],
                               name=name, namespace=namespace, env=dict(os.environ, NODE_PATH=modules()))
        world.add(self)


def stranger(world, server, name, **kwargs):
    """The second client, signed up and attached."""
    client = Independent(world, server, name, **kwargs)
    equal(client.expect("connected")["choices"], ["LOGIN", "SIGNUP"], "choices")
    client.send(cmd="signup", username=name, password=f"{name}-password", confirm_password=f"{name}-password")
    client.expect("signed_up")
    client.send(cmd="login", username=name, password=f"{name}-password")
    client.expect("logged_in", username=name)
    return client


def test_its_keys_are_those_of_the_page(world):
    run = subprocess.run([shutil.which("node") or harness.missing("no node"), str(SOURCE / "vectors.js")], capture_output=True,
                         text=True, env=dict(os.environ, NODE_PATH=modules()))
    lines = run.stdout.splitlines()
    with open(harness.ROOT / "proto/PEER_LINK.md") as page:
        text = page.read()
    check(len(lines) == 3 and all(f"    {line}" in text for line in lines), f"{lines} {run.stderr}")


def test_broadcasts_by_udp(world):
    server = world.server()
    ours, other = world.member(server, "ours"), stranger(world, server, "other")
    long = "".join(f"line {n:05} of a long announcement\n" for n in range(1800))[:60 * 1024]
    for text in ("Tea is ready. ☕", long):
        ours.send(cmd="broadcast", text=text)
        sent = ours.expect("broadcast_sent")["id"]
        got = other.expect("broadcast")
        equal((got["id"], got["sender"], got["text"], got["via"]), (sent, "ours", text, "udp"), "broadcast")
    other.send(cmd="broadcast", text="and back")
    sent = other.expect("broadcast_sent")["id"]
    equal(ours.expect("broadcast", id=sent)["sender"], "other", "sender")
    equal(other.expect("broadcast", id=sent)["via"], "udp", "its own too")


def test_chat_it_asks_and_dials(world):
    server = world.server()
    ours, other = world.member(server, "ours"), stranger(world, server, "other")
    other.send(cmd="request", peer="ours", reason="hello from elsewhere")
    asked = ours.expect("peer_request")
    equal((asked["from"], asked["reason"]), ("other", "hello from elsewhere"), "request")
    ours.send(cmd="approve", request_id=asked["request_id"])
    other.expect("request_outcome", outcome="approved")
    talk(ours, other)


def test_chat_it_approves_and_is_dialled(world):
    server = world.server()
    ours, other = world.member(server, "ours"), stranger(world, server, "other")
    ours.send(cmd="request", peer="other", reason="hello")
    asked = other.expect("peer_request")
    equal((asked["from"], asked["reason"]), ("ours", "hello"), "request")
    other.send(cmd="approve", request_id=asked["request_id"])
    ours.expect("request_outcome", outcome="approved")
    talk(ours, other)


def talk(ours, other):
    ours.expect("chat_open", peer="other")
    other.expect("chat_open", peer="ours")
    for number in range(20):
        ours.send(cmd="msg", peer="other", text=f"to you {number} ☕")
        other.send(cmd="msg", peer="ours", text=f"to me {number} ☕")
    for number in range(20):
        equal(other.expect("chat", peer="ours")["text"], f"to you {number} ☕", "in order")
        equal(ours.expect("chat", peer="other")["text"], f"to me {number} ☕", "in order")
    for _ in range(20):
        other.expect("receipt", peer="ours")
        ours.expect("receipt", peer="other", state="delivered")
    other.send(cmd="hangup", peer="ours")
    ours.expect("chat_closed", peer="other")
    other.expect("chat_closed", peer="ours")


def test_it_denies(world):
    server = world.server()
    ours, other = world.member(server, "ours"), stranger(world, server, "other")
    ours.send(cmd="request", peer="other")
    other.send(cmd="deny", request_id=other.expect("peer_request")["request_id"])
    ours.expect("request_outcome", outcome="denied")


if __name__ == "__main__":
    harness.main(globals())
