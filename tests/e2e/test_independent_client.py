"""A second client, written from the pages in proto/ alone (tests/e2e/independent), beside ours at a real server."""
import os
import shutil
import subprocess

import harness
import test_udp_relay
from harness import check, drive, equal

SOURCE = harness.ROOT / "tests/e2e/independent"


@harness.once
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
        fetch = subprocess.run([npm, "ci", "--ignore-scripts", "--fetch-retries=1", "--no-audit", "--no-fund"], cwd=target,
                               capture_output=True, text=True, timeout=400)
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
    log_in(client, name)
    return client


def log_in(client, name):
    client.send(cmd="login", username=name, password=f"{name}-password")
    client.expect("logged_in", username=name)


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


def test_broadcasts_without_udp_and_after_a_restart(world):
    server = world.server("--set", "timing.channel_fallback=300ms", relay="none")
    ours, other = world.member(server, "ours"), stranger(world, server, "other")
    ours.send(cmd="broadcast", text="by the channel")
    sent = ours.expect("broadcast_sent")["id"]
    equal(other.expect("broadcast", id=sent)["via"], "channel", "via")
    other.kill()
    ours.send(cmd="broadcast", text="while it was away")
    missed = ours.expect("broadcast_sent")["id"]
    other = Independent(world, server, "other")
    log_in(other, "other")
    equal(other.expect("broadcast")["id"], missed, "the first one that it is shown now")
    other.send(cmd="broadcast", text="who said this?", omit_sender=True)
    anonymous = other.expect("broadcast_sent")["id"]
    equal(ours.expect("broadcast", id=anonymous).get("sender", ""), "", "sender")
    equal(other.expect("broadcast", id=anonymous)["sender"], "", "sender")
    equal([e["id"] for e in other.seen("broadcast")], [missed, anonymous], "nothing twice")


def test_broadcasts_by_udp_are_not_shown_again_after_a_restart(world):
    server = world.server()
    ours, other = world.member(server, "ours"), stranger(world, server, "other")
    ours.send(cmd="broadcast", text="once")
    other.expect("broadcast", text="once")
    other.kill()
    other = Independent(world, server, "other")
    log_in(other, "other")
    ours.send(cmd="broadcast", text="and another")
    other.expect("broadcast", text="and another")
    equal(len(other.seen("broadcast")), 1, "broadcasts shown after the restart")


def test_it_registers_again_when_the_relay_falls_silent(world):
    server = world.server("--set", "timing.relay_ping=200ms")
    ours, other = world.member(server, "ours"), stranger(world, server, "other")

    def figures():
        other.send(cmd="counts")
        return other.expect("counts")
    harness.wait_for("it is registered", lambda: figures()["registered"] == 1)
    server.pause()
    harness.wait_for("it gave up waiting for pongs", lambda: figures()["registrations"] >= 2)
    server.resume()
    harness.wait_for("it is registered again", lambda: figures()["registered"] >= 2)
    ours.send(cmd="broadcast", text="still here")
    equal(other.expect("broadcast", text="still here")["via"], "udp", "via")
    equal(len(other.seen("broadcast")), 1, "broadcasts")


def test_a_relay_process_that_comes_dies_and_comes_back(world):
    token = test_udp_relay.token_file(world)
    server = world.server("--relay-token-file", token, relay="none")
    ours, other = world.member(server, "ours"), stranger(world, server, "other")
    announced = []

    def announce(text, via):
        announced.append(test_udp_relay.announce(ours, text))
        equal(other.expect("broadcast", id=announced[-1])["via"], via, f"via: {text}")
    announce("no relay yet", "channel")
    relay = world.relay(server, token).await_ready()
    announce("there is one", "udp")
    relay.kill()
    harness.wait_for("the server misses its relay", lambda: test_udp_relay.logged(server, "relay_unlinked"))
    announce("it died", "channel")
    world.relay(server, token, listen=relay.address).await_ready()
    announce("and is back", "udp")
    equal([e["id"] for e in other.seen("broadcast")], announced, "each once, in order")


def test_penalty(world):
    server = world.server()
    other = stranger(world, server, "other")
    other.send(cmd="request", peer="nobody-here")
    error = other.expect("error")
    equal((error["code"], error["info"]["reason"]), ("PERMISSION_DENIED", "PENALTY"), "answer")
    check(other.expect("penalised")["next_step"], "the channel says what to do next")
    equal(other.expect("detached")["code"], "PERMISSION_DENIED", "end of the channel")


def approve(asker, answerer, asker_name, answerer_name):
    asker.send(cmd="request", peer=answerer_name, reason="hello from elsewhere")
    asked = answerer.expect("peer_request")
    equal((asked["from"], asked["reason"]), (asker_name, "hello from elsewhere"), "request")
    answerer.send(cmd="approve", request_id=asked["request_id"])
    asker.expect("request_outcome", outcome="approved")
    answerer.expect("request_outcome", outcome="approved")
    asker.expect("chat_open", peer=answerer_name)
    answerer.expect("chat_open", peer=asker_name)


def test_chat_it_asks_and_dials(world):
    server = world.server()
    ours, other = world.member(server, "ours"), stranger(world, server, "other")
    approve(other, ours, "other", "ours")
    talk(ours, other)


def test_chat_it_approves_and_is_dialled(world):
    server = world.server()
    ours, other = world.member(server, "ours"), stranger(world, server, "other")
    approve(ours, other, "ours", "other")
    talk(ours, other)


def test_chat_between_two_addresses(world):
    harness.need_namespaces()
    places = world.network(["server", "ours", "other"])
    server = world.server(listen="[::]:4400", relay="[::]:4400", namespace=places["server"][0])
    ours = world.member(server, "ours", host=places["server"][1], namespace=places["ours"][0])
    other = stranger(world, server, "other", host=places["server"][1], namespace=places["other"][0])
    ours.send(cmd="broadcast", text="over the bridge")
    equal(other.expect("broadcast", text="over the bridge")["via"], "udp", "via")
    approve(other, ours, "other", "ours")
    talk(ours, other)


def goes_on_after_a_restart_of_ours(world, server, ours, other):
    other.send(cmd="msg", peer="ours", text="before")
    ours.expect("chat", text="before")
    other.expect("receipt")
    ours.kill()
    other.expect("chat_lost")
    for number in range(5):
        other.send(cmd="msg", peer="ours", text=f"while away {number}")
    server.kill()  # It has no part in this any more.
    again = world.client(server, "ours")
    other.expect("chat_open", peer="ours", timeout=40)
    for number in range(5):
        equal(again.expect("chat", peer="other")["text"], f"while away {number}", "in order, nothing twice")
        other.expect("receipt")
    again.send(cmd="msg", peer="other", text="back")
    equal(other.expect("chat")["text"], "back", "the other way")


def test_it_dials_again(world):
    server = world.server()
    ours, other = world.member(server, "ours"), stranger(world, server, "other")
    approve(other, ours, "other", "ours")
    goes_on_after_a_restart_of_ours(world, server, ours, other)


def test_it_is_dialled_again(world):
    server = world.server()
    ours, other = world.member(server, "ours"), stranger(world, server, "other")
    approve(ours, other, "ours", "other")
    goes_on_after_a_restart_of_ours(world, server, ours, other)


def talk(ours, other):
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


def test_it_denies_is_denied_and_cancels(world):
    server = world.server("--set", "timing.request_repeat=0s")
    ours, other = world.member(server, "ours"), stranger(world, server, "other")
    ours.send(cmd="request", peer="other")
    other.send(cmd="deny", request_id=other.expect("peer_request")["request_id"])
    ours.expect("request_outcome", outcome="denied")
    other.expect("request_outcome", outcome="denied", peer="ours", requested_by_me=False)
    other.send(cmd="request", peer="ours")
    ours.send(cmd="deny", request_id=ours.expect("peer_request")["request_id"])
    other.expect("request_outcome", outcome="denied", requested_by_me=True)
    other.send(cmd="request", peer="ours")
    asked = ours.expect("peer_request")["request_id"]
    other.send(cmd="cancel", request_id=asked)
    ours.expect("request_outcome", request_id=asked, outcome="cancelled")
    other.expect("request_outcome", request_id=asked, outcome="cancelled")
    other.send(cmd="list")
    equal([sorted(c) for c in other.expect("active")["clients"]], [["ip_address", "username"]] * 2, "fields of the entries")


if __name__ == "__main__":
    harness.main(globals())
