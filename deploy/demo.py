#!/usr/bin/env python3
"""Shows everything once, with the real programs: a server, three clients, and somebody who comes late.

usage: deploy/demo.py BIN-DIRECTORY     (deploy/quickstart --demo builds first and calls this)
Prints a transcript; its last line is "demo: ok" (exit 0) or what failed (exit 1).
"""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "tools"))
import drive  # noqa: E402

PASSWORDS = {"alice": "correct horse", "bob": "battery staple", "carol": "paper clip pie", "dave": "late but here"}


def say(who, text):
    print(f"  {who:<8}| {text}", flush=True)


def chapter(text):
    print(f"\n{text}", flush=True)


class Demo:
    def __init__(self, world):
        self.world = world
        self.reason_without_network = drive.namespaces_work()
        self.places = {}
        self.clients = {}

    def start_server(self):
        chapter("1. The server starts")
        if self.reason_without_network is None:
            self.places = self.world.network(["server", "alice", "bob", "carol", "dave"])
            print("  Everybody has a host of their own (network namespaces), all on port 4400; peers are asked by IP address.")
            self.server = self.world.server(listen="[::]:4400", relay="[::]:4400", namespace=self.places["server"][0])
        else:
            print(f"  Everybody shares this host, peers are asked by name ({self.reason_without_network}).")
            self.server = self.world.server()
        say("server", self.server.out[0])

    def open(self, name):
        host = self.places["server"][1] if self.places else "127.0.0.1"
        client = self.world.client(self.server, name, host=host,
                                   namespace=self.places[name][0] if self.places else None)
        event = client.expect("connected")
        say(name, f"is connected and may: {', '.join(str(c) for c in event['choices'])}")
        self.clients[name] = client
        return client

    def join(self, name):
        client = self.open(name)
        client.sign_up(name, PASSWORDS[name])
        say(name, "signed up")
        event = client.log_in(name, PASSWORDS[name])
        say(name, f"logged in; offered: {', '.join(str(c) for c in event['choices'])}")

    def list_active(self):
        chapter("3. Alice lists who is active")
        alice = self.clients["alice"]
        alice.send(cmd="list")
        entries = alice.expect("active")["clients"]
        for entry in entries:
            if sorted(entry) != ["ip_address", "username"]:
                raise drive.Failure(f"an entry of the list is {entry}")
            say("alice", f"sees {entry['username']:<8} {entry['ip_address']}")
        self.addresses = {e["username"]: e["ip_address"] for e in entries}
        if sorted(self.addresses) != ["alice", "bob", "carol"]:
            raise drive.Failure(f"the list holds {sorted(self.addresses)}")

    def talk(self):
        chapter("4. Alice asks Bob; Bob approves; they talk directly")
        alice, bob = self.clients["alice"], self.clients["bob"]
        peer = self.addresses["bob"] if self.places else "bob"
        alice.send(cmd="request", peer=peer, reason="lunch?")
        say("alice", f"asks for {peer} (\"lunch?\")")
        asked = bob.expect("peer_request")
        say("bob", f"is asked by {asked['from']} at {asked['ip_address']}: \"{asked['reason']}\"")
        bob.send(cmd="approve", request_id=asked["request_id"])
        say("bob", "approves")
        opened = alice.expect("chat_open", peer="bob")
        bob.expect("chat_open", peer="alice")
        say("alice", f"has a direct encrypted connection ({opened['path']})")
        self.exchange(alice, "alice", bob, "bob", "Noon at the harbour?")
        self.exchange(bob, "bob", alice, "alice", "See you there.")

    def exchange(self, sender, sender_name, receiver, receiver_name, text):
        sender.send(cmd="msg", peer=receiver_name, text=text)
        receiver.expect("chat", peer=sender_name, text=text)
        sender.expect("receipt", state="delivered")
        say(sender_name, f"→ {receiver_name}: {text}  (delivered)")

    def broadcast(self):
        chapter("5. Carol broadcasts; somebody joins later and still gets it")
        self.clients["carol"].send(cmd="broadcast", text="The ferry leaves at five.")
        sent = self.clients["carol"].expect("broadcast_sent")
        for name in ("alice", "bob", "carol"):
            self.receive(name, sent["id"])
        self.join("dave")
        self.receive("dave", sent["id"])

    def receive(self, name, broadcast_id):
        got = self.clients[name].expect("broadcast", id=broadcast_id)
        say(name, f"reads ({got['via']}) {got['sent_at']} {got['sender']}: {got['text']}")

    def penalty(self):
        chapter("6. Asking for somebody who never existed costs the connection")
        carol = self.clients["carol"]
        carol.send(cmd="request", peer="nobody-at-all")
        event = carol.expect("penalised")
        say("carol", f"is cut off: {event['reason']}")
        carol.log_in("carol", PASSWORDS["carol"])
        say("carol", "may log in again")

    def farewell(self):
        chapter("7. Nobody got anything twice, and everybody leaves")
        for name, client in self.clients.items():
            shown = [e["id"] for e in client.seen("broadcast")]
            if len(shown) != len(set(shown)):
                raise drive.Failure(f"{name} was shown a broadcast twice")
            client.send(cmd="quit")
            if client.wait() != 0:
                raise drive.Failure(f"{name} ended with {client.process.returncode}: {client.err[-3:]}")
        if self.server.stop() != 0:
            raise drive.Failure(f"the server ended with {self.server.process.returncode}: {self.server.err[-3:]}")
        say("server", "stopped cleanly")

    def run(self):
        self.start_server()
        chapter("2. Alice, Bob and Carol sign up and log in")
        for name in ("alice", "bob", "carol"):
            self.join(name)
        self.list_active()
        self.talk()
        self.broadcast()
        self.penalty()
        self.farewell()


def main():
    if len(sys.argv) != 2 or not os.path.isfile(os.path.join(sys.argv[1], "control-server")):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    with drive.World(sys.argv[1]) as world:
        try:
            Demo(world).run()
        except drive.Failure as failure:
            print(f"\ndemo: failed: {failure}")
            return 1
    print("\ndemo: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
