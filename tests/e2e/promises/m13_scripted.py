"""M13: every command by grpcurl through reflection; the client by a script."""
import json
import os
import subprocess

import harness
import test_grpcurl
from harness import equal


def test_every_command_by_grpcurl(world):
    test_grpcurl.test_the_page_by_reflection(world)


def test_a_script_on_standard_input(world):
    server = world.server()
    bob = world.member(server, "bob")
    lines = [{"cmd": "signup", "username": "alice", "password": "a good password", "confirm_password": "a good password"},
             {"cmd": "login", "username": "alice", "password": "a good password"},
             {"cmd": "list"}, {"cmd": "broadcast", "text": "from a script"}]
    argv = [os.path.join(world.bin, "peer-client"), "--jsonl", "--data-dir", world.path("alice"),
            "--server-fingerprint", server.fingerprint, "127.0.0.1", str(server.port)]
    client = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    client.stdin.write("".join(json.dumps(line) + "\n" for line in lines))
    client.stdin.flush()
    bob.expect("broadcast", sender="alice", text="from a script")
    out, _ = client.communicate('{"cmd":"quit"}\n', timeout=30)
    events = [json.loads(line)["event"] for line in out.splitlines()]  # Nothing but objects, one a line.
    wanted = ["connected", "signed_up", "logged_in", "active", "broadcast_sent"]
    equal([e for e in events if e in wanted], wanted, "events in order")
    equal(client.returncode, 0, "exit code")


if __name__ == "__main__":
    harness.main(globals())
