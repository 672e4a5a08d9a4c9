"""A relay in a process of its own: it links itself to the server, dies, drains, comes back; everybody gets every broadcast once."""
import os
import re
import subprocess
import time
from datetime import datetime

import harness
from harness import check, equal

FAST = ("--set", "timing.reconnect_first=200ms", "--set", "timing.reconnect_max=1s")


def new_token(world):
    run = subprocess.run([os.path.join(world.bin, "control-server"), "relay-token"], capture_output=True, text=True, check=True)
    return run.stdout


def token_file(world, text=None, name="relay.token", mode=0o600):
    path = world.path(name)
    with open(path, "w") as file:
        file.write(text or new_token(world))
    os.chmod(path, mode)
    return path


def start(world, *server_args, relay_args=(), **kwargs):
    token = token_file(world)
    server = world.server("--relay-token-file", token, *server_args, relay="none", **kwargs)
    return server, token, world.relay(server, token, *FAST, *relay_args).await_ready()


def announce(client, text):
    client.send(cmd="broadcast", text=text)
    return client.expect("broadcast_sent")["id"]


def shown_once(clients, ids, sender):
    """Everybody was shown each exactly once; a last broadcast proves that nothing more is on the way."""
    last = announce(sender, "the last one")
    for client in clients:
        client.expect("broadcast", id=last)
        for broadcast in ids:
            equal(len(client.seen("broadcast", id=broadcast)), 1, f"{client.name} was shown {broadcast}")


def logged(process, words):
    return [line for line in process.err if words in line]


def test_a_broadcast_travels_through_the_relay_process(world):
    server, _, _ = start(world)
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    large = "".join(f"line {n:05} of a long announcement\n" for n in range(1800))[:60 * 1024]
    ids = [announce(alice, "short"), announce(alice, large)]
    for client in (alice, bob):
        equal([client.expect("broadcast", id=i)["via"] for i in ids], ["udp", "udp"], "via")
    equal(bob.seen("broadcast", id=ids[1])[0]["text"], large, "60 KiB")
    late = world.member(server, "late")
    equal([late.expect("broadcast", id=i)["via"] for i in ids], ["udp", "udp"], "via, for who comes later")
    shown_once((alice, bob, late), ids, alice)


def test_kill_9_of_the_relay_in_the_middle(world):
    server, token, relay = start(world)
    alice, bob, carol, dave = (world.member(server, name) for name in ("alice", "bob", "carol", "dave"))
    for client in (bob, dave):
        client.pause()
    first = announce(alice, "half of them have it when the relay dies")
    for client in (alice, carol):
        equal(client.expect("broadcast", id=first)["via"], "udp", "via")
    relay.kill()
    harness.wait_for("the server misses its relay", lambda: logged(server, "relay_unlinked"))
    bob.resume()
    bob.expect("broadcast", id=first)
    second = announce(alice, "while the relay is gone")
    for client in (alice, bob, carol):  # At once: nobody waits for datagrams that cannot come.
        equal(client.expect("broadcast", id=second, timeout=5)["via"], "channel", "via")
    world.relay(server, token, *FAST, listen=relay.address).await_ready()
    dave.resume()
    for broadcast in (first, second):
        dave.expect("broadcast", id=broadcast)
    third = announce(carol, "the relay is back")
    for client in (alice, bob, carol, dave):
        equal(client.expect("broadcast", id=third)["via"], "udp", f"via, {client.name}")
    shown_once((alice, bob, carol, dave), (first, second, third), carol)


def test_members_come_while_no_relay_is_there(world):
    token = token_file(world)
    server = world.server("--relay-token-file", token, relay="none")
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    first = announce(alice, "before the relay")
    for client in (alice, bob):
        equal(client.expect("broadcast", id=first, timeout=5)["via"], "channel", "via")
    world.relay(server, token).await_ready()
    second = announce(alice, "with the relay")
    for client in (alice, bob):
        equal(client.expect("broadcast", id=second)["via"], "udp", "via")
    shown_once((alice, bob), (first, second), bob)


def test_sigterm_drains(world):
    server, token, relay = start(world, relay_args=("--set", "timing.relay_drain=20s"))
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    first = announce(alice, "delivered before the end")
    for client in (alice, bob):
        client.expect("broadcast", id=first)
    began = time.monotonic()
    equal(relay.stop(), 0, "exit code with nothing outstanding")
    check(time.monotonic() - began < 10, "nothing is outstanding, so nothing is waited for")
    harness.wait_for("the relay has left", lambda: logged(server, "relay_unlinked"))

    relay = world.relay(server, token, "--set", "timing.relay_drain=1s").await_ready()
    arrived = announce(alice, "by datagram again")
    for client in (alice, bob):
        equal(client.expect("broadcast", id=arrived)["via"], "udp", "via")
    bob.pause()
    second = announce(alice, "bob does not answer")
    alice.expect("broadcast", id=second)
    bob.await_unread_datagram()
    began = time.monotonic()
    equal(relay.stop(), 0, "exit code with something outstanding")
    took = time.monotonic() - began
    check(0.9 < took < 10, f"what is outstanding gets a second, not {took:.2f} s")
    third = announce(alice, "after the relay")
    equal(alice.expect("broadcast", id=third, timeout=5)["via"], "channel", "via")
    bob.resume()
    for broadcast in (second, third):
        bob.expect("broadcast", id=broadcast)
    shown_once((alice, bob), (first, arrived, second, third), alice)


def test_the_server_restarts_while_the_relay_runs(world):
    token = token_file(world)
    server = world.server("--relay-token-file", token, "--set", "timing.detach_grace=500ms", relay="none")
    relay = world.relay(server, token, *FAST).await_ready()
    alice, bob = (world.member(server, name, *FAST) for name in ("alice", "bob"))
    bob.pause()
    first = announce(alice, "survives the crash of the server")
    alice.expect("broadcast", id=first)
    server.kill()
    again = world.server("--relay-token-file", token, listen=f"127.0.0.1:{server.port}", relay="none")
    bob.resume()
    bob.expect("broadcast", id=first)
    harness.wait_for("the relay links again", lambda: len(logged(relay, "relay_linked")) == 2)
    for client in (alice, bob):
        harness.wait_for(f"{client.name} is back", lambda: len(client.seen("logged_in")) == 2)
    second = announce(alice, "from the second life")
    for client in (alice, bob):
        equal(client.expect("broadcast", id=second)["via"], "udp", f"via, {client.name}")
    shown_once((alice, bob), (first, second), alice)
    equal(again.stop(), 0, "exit code of a server with a relay linked")
    harness.wait_for("the relay sees it", lambda: logged(relay, "shutting down"))
    equal(relay.stop(), 0, "exit code of a relay without a server")


def test_another_token_is_refused(world):
    server, token, relay = start(world)
    stranger = world.relay(server, token_file(world, name="other.token"))
    equal(stranger.wait(), 4, "exit code")
    check("was refused by the server" in stranger.err[-1], stranger.err)
    equal(stranger.out, [], "never ready")
    secrets = [open(world.path(name)).read().strip() for name in ("relay.token", "other.token")]
    for process in (server, relay, stranger):
        check(not any(s in line for s in secrets for line in process.err + process.out), "a token was shown")


def test_another_server_is_refused(world):
    server, token, _ = start(world)
    wrong = "SHA256:" + "A" * 43
    relay = world.relay(server, token, fingerprint=wrong)
    equal(relay.wait(), 4, "exit code")
    check(server.fingerprint in relay.err[-1], f"the key that was seen: {relay.err}")


def test_a_token_that_others_may_read_is_refused(world):
    server, _, _ = start(world)
    for mode in (0o644, 0o640, 0o602):
        open_file = token_file(world, name=f"open-{mode:o}", mode=mode)
        relay = world.relay(server, open_file)
        equal(relay.wait(), 78, "exit code of udp-relay")
        check(f"mode {mode:04o}" in relay.err[-1] and "chmod 600" in relay.err[-1], relay.err)
        second = world.add(harness.drive.Process([os.path.join(world.bin, "control-server"), "--data-dir", world.path("second"),
                                          "--listen", "127.0.0.1:0", "--relay-listen", "none", "--relay-token-file", open_file]))
        equal(second.wait(), 78, "exit code of control-server")
        check(f"mode {mode:04o}" in second.err[-1], second.err)


def test_what_is_no_token_is_refused(world):
    for text in ("", "short\n", "x" * 43 + "!\n", "two words " * 10):
        path = world.path("bad")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        server = world.add(harness.drive.Process([os.path.join(world.bin, "control-server"), "--data-dir", world.path("server"),
                                          "--listen", "127.0.0.1:0", "--relay-listen", "none", "--relay-token-file", path]))
        equal(server.wait(), 78, f"exit code for {text!r}")
        check("control-server relay-token" in server.err[-1], server.err)
    both = world.add(harness.drive.Process([os.path.join(world.bin, "control-server"), "--data-dir", world.path("server"),
                                    "--listen", "127.0.0.1:0", "--relay-listen", "127.0.0.1:0", "--relay-token-file", path]))
    equal(both.wait(), 78, "exit code for two relays")
    check("--relay-listen none" in both.err[-1], both.err)


def test_tokens_are_fresh(world):
    tokens = {new_token(world) for _ in range(3)}
    equal(len(tokens), 3, "different tokens")
    for token in tokens:
        check(re.fullmatch(r"[A-Za-z0-9+/]{43}=\n", token), f"32 bytes in base64: {len(token)} characters")


def test_a_second_relay_waits_until_the_first_is_gone(world):
    server, token, first = start(world)
    second = world.relay(server, token, *FAST)
    harness.wait_for("the second is told why", lambda: logged(second, "another relay is linked"))
    equal(second.out, [], "not ready")
    alice = world.member(server, "alice")
    equal(alice.expect("broadcast", id=announce(alice, "by the first"))["via"], "udp", "via")
    first.kill()
    second.await_ready()
    equal(alice.expect("broadcast", id=announce(alice, "by the second"))["via"], "udp", "via")


def test_a_relay_that_fell_silent_is_found_dead_and_another_takes_over(world):
    fast = ("--set", "timing.server_keepalive=1s", "--set", "timing.server_keepalive_timeout=1s")
    server, token, first = start(world, *fast)
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    first.pause()
    second = world.relay(server, token, *FAST).await_ready()
    broadcast = announce(alice, "by the second")
    for client in (alice, bob):
        equal(client.expect("broadcast", id=broadcast)["via"], "udp", f"via, {client.name}")
    first.resume()
    harness.wait_for("the first learns that it is not the relay any more", lambda: logged(first, "another relay is linked"))
    second.kill()
    harness.wait_for("the first takes over again", lambda: len(logged(first, "relay_linked")) == 2)
    again = announce(bob, "by the first")
    for client in (alice, bob):
        equal(client.expect("broadcast", id=again)["via"], "udp", f"via, {client.name}")
    shown_once((alice, bob), (broadcast, again), alice)


def test_members_return_to_a_relay_spread_over_the_window(world):
    window = 4
    server, token, relay = start(world, "--set", f"timing.reconnect_window_min={window}s")
    members = [world.member(server, f"member{n}") for n in range(8)]
    relay.kill()
    harness.wait_for("the server misses its relay", lambda: logged(server, "relay_unlinked"))
    world.relay(server, token, *FAST).await_ready()
    began = time.time()
    broadcast = announce(members[0], "who is back hears it")
    shown = [m.expect("broadcast", id=broadcast, via="udp")["at"] for m in members]
    seen = sorted(datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() - began for at in shown)
    # Eight independent moments of four seconds fall into half a second once in five million runs.
    check(seen[-1] - seen[0] > 0.5, f"all came at once: {seen}")
    check(seen[-1] < window + 5, f"nobody waits longer than the window: {seen}")


def test_a_full_server_lets_its_relay_in(world):
    token = token_file(world)
    hello = 2
    server = world.server("--relay-token-file", token, "--max-connections", "2", "--set", f"timing.hello={hello}s", relay="none")
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    third = world.client(server, "third")
    equal(third.expect("retry")["reason"], "full", "the third client")
    world.relay(server, token).await_ready()
    ready = time.monotonic()
    fourth = world.client(server, "fourth")
    equal(fourth.expect("retry")["reason"], "full", "the relay has left no place behind")
    harness.wait_for("the deadline of a connection that only hears \"full\" is over", lambda: time.monotonic() > ready + hello + 1)
    equal(logged(server, "relay_unlinked"), [], "the relay stays")
    broadcast = announce(alice, "full house")
    for client in (alice, bob):
        equal(client.expect("broadcast", id=broadcast)["via"], "udp", "via")


def test_the_relay_takes_no_place_of_a_client(world):
    token = token_file(world)
    server = world.server("--relay-token-file", token, "--max-connections", "2", relay="none")
    world.relay(server, token).await_ready()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    broadcast = announce(bob, "both are in")
    for client in (alice, bob):
        equal(client.expect("broadcast", id=broadcast)["via"], "udp", "via")


if __name__ == "__main__":
    harness.main(globals())
