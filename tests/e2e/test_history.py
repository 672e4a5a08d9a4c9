"""What was said can be read, searched and exported; off leaves no file."""
import json
import os

import harness
from harness import check, equal
from test_chat_kills import introduce


def files(client):
    return [os.path.join(root, name) for root, _, names in os.walk(client.data_dir) for name in names if name.startswith("history")]


def test_history_is_kept_searched_and_exported(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    introduce(alice, bob)
    alice.send(cmd="msg", peer="bob", text="the needle is here")
    bob.expect("chat")
    bob.send(cmd="msg", peer="alice", text="thank you")
    alice.expect("chat")
    alice.send(cmd="broadcast", text="to everybody")
    sent = bob.expect("broadcast")
    bob.kill()
    bob = world.client(server, "bob")
    bob.expect("logged_in")
    bob.send(cmd="history")
    lines = bob.expect("history")["lines"]
    equal([(e["kind"], e["peer"], e["text"]) for e in lines],
          [("in", "alice", "the needle is here"), ("out", "alice", "thank you"), ("broadcast", "alice", "to everybody")], "history")
    equal(lines[2]["id"], sent["id"], "id")
    bob.line("/search NEEDLE")
    equal([e["text"] for e in bob.expect("history")["lines"]], ["the needle is here"], "found")
    target = world.path("export.jsonl")
    bob.send(cmd="export", path=target)
    equal(bob.expect("exported")["lines"], 3, "lines")
    with open(target, encoding="utf-8") as file:
        equal([json.loads(line)["text"] for line in file], [e["text"] for e in lines], "exported texts")
    bob.send(cmd="export", path=target)
    bob.expect("error", code="ALREADY_EXISTS")
    for path in files(bob):
        equal(os.stat(path).st_mode & 0o777, 0o600, path)
    # Off: nothing is kept, and what was there is gone.
    bob.kill()
    config = world.path("client.toml")
    with open(config, "w", encoding="utf-8") as file:
        file.write("history_days = 0\n")
    bob = world.client(server, "bob", "--config", config)
    bob.expect("logged_in")
    alice.send(cmd="msg", peer="bob", text="not for the record")
    bob.expect("chat")
    bob.send(cmd="history")
    check("history_days" in bob.expect("error", code="FAILED_PRECONDITION")["message"], "says why")
    equal(files(bob), [], "files")


if __name__ == "__main__":
    harness.main(globals())
