#!/usr/bin/env python3
"""Shows everything once, with the real programs: a server, three clients, and somebody who comes late.

usage: deploy/demo.py BIN-DIRECTORY     on this host (deploy/quickstart --demo builds first and calls this)
       deploy/demo.py --compose         in the containers of deploy/compose.yaml
Prints a transcript; its last line is "demo: ok" (exit 0) or what failed (exit 1).
"""
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "tools"))
import drive  # noqa: E402

PASSWORDS = {"alice": "correct horse", "bob": "battery staple", "carol": "paper clip pie", "dave": "late but here"}


def say(who, text):
    print(f"  {who:<8}| {text}", flush=True)


def chapter(text):
    print(f"\n{text}", flush=True)


class LocalStage:
    """Server and clients are children of this process, each in a network namespace if those can be made."""

    def __init__(self, world):
        self.world = world
        reason = drive.namespaces_work()
        self.by_address = reason is None
        self.places = world.network(["server", "alice", "bob", "carol", "dave"]) if self.by_address else {}
        self.what = ("Everybody has a host of their own (network namespaces), all on port 4400; peers are asked by IP address."
                     if self.by_address else f"Everybody shares this host, peers are asked by name ({reason}).")

    def start(self):
        if self.by_address:
            self.server = self.world.server(listen="[::]:4400", relay="[::]:4400", namespace=self.places["server"][0])
        else:
            self.server = self.world.server()
        return [("server", self.server.out[0])]

    def open(self, name):
        namespace, _ = self.places.get(name, (None, None))
        host = self.places["server"][1] if self.by_address else "127.0.0.1"
        return self.world.client(self.server, name, host=host, namespace=namespace)

    def pause(self):
        drive.pause(self.server.pid)

    def resume(self):
        self.server.signal(signal.SIGCONT)

    def stop(self):
        if self.server.stop() != 0:
            raise drive.Failure(f"the server ended with {self.server.process.returncode}: {self.server.err[-3:]}")
        return "stopped cleanly"


class Demo:
    def __init__(self, stage):
        self.stage = stage
        self.clients = {}

    def start_server(self):
        chapter("1. The server starts")
        print(f"  {self.stage.what}")
        for who, line in self.stage.start():
            say(who, line)
            if who == "server":
                self.capacity(line)

    @staticmethod
    def capacity(line):
        match = drive.READY.match(line)
        if not match:
            raise drive.Failure(f"the server's ready line is {line!r}")
        if int(match.group(4)) < 50:
            raise drive.Failure(f"the server has place for {match.group(4)} clients only")
        say("server", f"capacity: serves up to {match.group(4)} clients at once")

    def open(self, name):
        client = self.clients[name] = self.stage.open(name)
        event = client.expect("connected")
        say(name, f"is connected and may: {', '.join(str(c) for c in event['choices'])}")
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
        asked = self.ask("alice", "bob", "lunch?")
        bob.send(cmd="approve", request_id=asked["request_id"])
        say("bob", "approves")
        opened = alice.expect("chat_open", peer="bob")
        bob.expect("chat_open", peer="alice")
        say("alice", f"has a direct encrypted connection ({opened['path']})")
        self.exchange(alice, "alice", bob, "bob", "Noon at the harbour?")
        self.exchange(bob, "bob", alice, "alice", "See you there.")
        self.stage.pause()
        say("server", "is paused: it answers nobody")
        self.exchange(alice, "alice", bob, "bob", "Can you still read me?")
        self.exchange(bob, "bob", alice, "alice", "Yes, the server is not between us.")
        self.stage.resume()
        say("server", "goes on")

    def ask(self, who, whom, reason):
        """Asks for a conversation; returns the request as it reached the other one."""
        peer = self.addresses[whom] if self.stage.by_address else whom
        self.clients[who].send(cmd="request", peer=peer, reason=reason)
        say(who, f"asks for {peer} (\"{reason}\")")
        asked = self.clients[whom].expect("peer_request")
        if (asked["from"], asked["reason"]) != (who, reason):
            raise drive.Failure(f"{whom} was asked by {asked}")
        say(whom, f"is asked by {asked['from']} at {asked['ip_address']}: \"{asked['reason']}\"")
        return asked

    def deny(self):
        chapter("6. Bob asks Carol; Carol denies")
        asked = self.ask("bob", "carol", "a word?")
        self.clients["carol"].send(cmd="deny", request_id=asked["request_id"])
        say("carol", "denies")
        event = self.clients["bob"].expect("request_outcome", peer="carol")
        if event["outcome"] != "denied":
            raise drive.Failure(f"bob learned: {event['outcome']}")
        say("bob", "learns: denied")

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
        chapter("7. Asking for somebody who never existed costs the connection")
        carol = self.clients["carol"]
        carol.send(cmd="request", peer="nobody-at-all")
        event = carol.expect("penalised")
        say("carol", f"is cut off: {event['reason']}")
        carol.log_in("carol", PASSWORDS["carol"])
        say("carol", "may log in again")

    def farewell(self):
        chapter("8. Nobody got anything twice, and everybody leaves")
        for name, client in self.clients.items():
            shown = [e["id"] for e in client.seen("broadcast")]
            if len(shown) != len(set(shown)):
                raise drive.Failure(f"{name} was shown a broadcast twice")
            client.send(cmd="quit")
            if client.wait() != 0:
                raise drive.Failure(f"{name} did not end with 0: {client.err[-3:]}")
            say(name, "has left")
        say("server", self.stage.stop())

    def run(self):
        self.start_server()
        chapter("2. Alice, Bob and Carol sign up and log in")
        for name in ("alice", "bob", "carol"):
            self.join(name)
        self.list_active()
        self.talk()
        self.broadcast()
        self.deny()
        self.penalty()
        self.farewell()


def show(stage):
    try:
        Demo(stage).run()
    except drive.Failure as failure:
        print(f"\ndemo: failed: {failure}")
        return 1
    print("\ndemo: ok")
    return 0


def main():
    if sys.argv[1:] == ["--compose"]:
        import demo_compose
        return show(demo_compose.ComposeStage())
    if len(sys.argv) != 2 or not os.path.isfile(os.path.join(sys.argv[1], "control-server")):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    with drive.World(sys.argv[1]) as world:
        return show(LocalStage(world))


if __name__ == "__main__":
    sys.exit(main())
