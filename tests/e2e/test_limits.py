"""What a client does when the server's limits are met."""
import json
import os
import subprocess

import harness
from harness import check, equal


def test_a_limited_client_says_so_waits_and_repeats_by_itself(world):
    server = world.server("--set", "limits.calls_burst=2", "--set", "limits.calls_per_second=1")
    alice = world.member(server, "alice")  # The attach is the first call.
    for _ in range(3):
        alice.send(cmd="list")
    for _ in range(3):
        alice.expect("active")
    limited = alice.seen("retry")
    check(limited and all(r["reason"] == "limited" for r in limited), f"told why: {limited}")
    check(all(0 < r["in_s"] <= 1.1 for r in limited), f"and for how long: {limited}")
    equal(alice.seen("error"), [], "errors")
    alice.send(cmd="broadcast", text="still here")
    sent = alice.expect("broadcast_sent")
    alice.expect("broadcast", id=sent["id"])


def test_a_limited_sign_up_is_repeated(world):
    server = world.server("--set", "limits.signup_burst=1", "--set", "limits.signup_per_minute=60")
    client = world.client(server, "alice")
    client.expect("connected")
    client.sign_up("alice", "a good password")
    client.sign_up("bob", "a good password")
    equal([r["reason"] for r in client.seen("retry")], ["limited"], "retries")
    client.log_in("bob", "a good password")


def ask_limits(world, *args):
    argv = ["prlimit", "--nofile=256:256", "--", os.path.join(world.bin, "control-server"), "limits", *args]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30)


def test_the_limits_that_are_printed_are_those_of_the_server(world):
    server = world.server(wrap=["prlimit", "--nofile=256:256", "--"])
    told = json.loads(ask_limits(world, "-o", "json").stdout)
    equal(told["connections"], server.max, "connections")
    lines = {line["name"]: line["value"] for line in told["limits"]}
    equal((lines["open_files"], lines["connections"]), (256, 160), "open files and what follows from them")
    text = ask_limits(world).stdout
    check(text.startswith("160 clients at once; bound by the limit of open files"), text)
    for name in lines:
        check(f"\n{name} " in text, f"{name} in {text}")
    refused = ask_limits(world, "--max-connections", "200")
    equal(refused.returncode, 78, "exit code of what does not fit")
    check("LimitNOFILE" in refused.stderr, refused.stderr)


if __name__ == "__main__":
    harness.main(globals())
