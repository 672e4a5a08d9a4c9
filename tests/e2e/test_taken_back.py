"""A broadcast that is taken back: who was away then, and whatever restarted meanwhile, hears of it once and sees it struck."""
import json
import os
import subprocess

from harness import equal, main, wait_for


def operate(world, server, *words):
    run = subprocess.run([os.path.join(world.bin, "control-server"), "broadcast", *words, "--data-dir", server.data_dir, "-o", "json"],
                         capture_output=True, text=True, timeout=60)
    equal(run.returncode, 0, f"exit code of {' '.join(words)}: {run.stderr}")
    return json.loads(run.stdout)


def shown_to_all(people, text):
    people[0].send(cmd="broadcast", text=text)
    broadcast = people[0].expect("broadcast_sent")["id"]
    for person in people:
        person.expect("broadcast", id=broadcast)
    return broadcast


def back(world, server, name):
    client = world.client(server, name)
    client.expect("logged_in")
    return client


def test_who_saw_it_and_was_away_sees_it_struck_after_restarts_of_client_and_server(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    by_sender = shown_to_all((alice, bob), "wrong day")
    by_operator = shown_to_all((alice, bob), "wrong hour")
    wait_for("bob's acknowledgements are in the ledger", lambda: operate(world, server, "status", by_operator)["delivered"] == 2)
    bob.kill()
    alice.send(cmd="broadcast_revoke", id=by_sender)
    alice.expect("broadcast_revoked", id=by_sender)
    alice.stop()
    server.stop()
    operate(world, server, "revoke", by_operator)
    server = world.server(listen=f"127.0.0.1:{server.port}", relay=f"127.0.0.1:{server.relay_port}")
    bob = back(world, server, "bob")
    for broadcast in (by_sender, by_operator):
        equal(bob.expect("broadcast_revoked", id=broadcast)["sender"], "alice", "whose it was")
    alice = back(world, server, "alice")
    alice.expect("broadcast_revoked", id=by_operator)
    # Once is enough, though the server tells it at each attach.
    bob.stop()
    bob = back(world, server, "bob")
    mark = shown_to_all((alice, bob), "mark")
    equal([e["id"] for e in bob.seen("broadcast")], [mark], "what bob was shown since")
    equal(bob.seen("broadcast_revoked"), [], "said twice")
    equal(alice.seen("broadcast_revoked", id=by_sender), [], "said twice to alice")


if __name__ == "__main__":
    main(globals())
