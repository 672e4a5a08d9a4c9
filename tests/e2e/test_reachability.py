"""Who can talk with whom: clients that are open, behind a NAT that keeps ports, behind one that does not, and behind a firewall
that drops what comes in; each with each, both ways. Every pair either talks or is told why within 15 s. Prints the table of
docs/REACHABILITY.md."""
import shutil
import subprocess
import time

import harness
from harness import check, equal

KINDS = ("open", "NAT, ports kept", "NAT, ports random", "firewall")
WITHIN = 15.5  # Seconds: the promise, and the way of the news.
PREFIX = "198.51.100."  # Not private: nobody is on anybody's own network.


class Internet:
    """Namespaces on one bridge: a server, and clients of each kind on two sides, who ask and who are asked."""

    def __init__(self, world):
        harness.need_namespaces()
        if shutil.which("iptables") is None:
            raise harness.missing("iptables is not installed")
        self.world = world
        self.names = [side + str(number) for side in ("ask", "told") for number in range(len(KINDS))]
        self.places = world.network(["server", *self.names], prefix=PREFIX)
        for name in self.names:
            self._shape(name, KINDS[int(name[-1])])

    def _run(self, *command):
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            raise harness.missing(f"{' '.join(command)}: {run.stderr.strip()}")

    def _iptables(self, namespace, *args):
        self._run("ip", "netns", "exec", namespace, "iptables", *args)

    def _shape(self, name, kind):
        namespace, _ = self.places[name]
        if kind == "firewall":
            self._iptables(namespace, "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
            self._iptables(namespace, "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT")
            self._iptables(namespace, "-P", "INPUT", "DROP")
        elif kind.startswith("NAT"):
            self._behind_nat(name, namespace, ["--random"] if "random" in kind else [])

    def _behind_nat(self, name, router, options):
        """The namespace becomes a router; the client moves into another one behind it."""
        inside = f"{router}-in"
        self._run("ip", "netns", "add", inside)
        self.world.namespaces.append(inside)
        net = f"192.168.{50 + self.names.index(name)}."
        self._run("ip", "-n", inside, "link", "add", "eth0", "type", "veth", "peer", "name", "lan", "netns", router)
        for where, device, address in ((router, "lan", net + "1/24"), (inside, "eth0", net + "2/24")):
            self._run("ip", "-n", where, "addr", "add", address, "dev", device)
            self._run("ip", "-n", where, "link", "set", device, "up")
        self._run("ip", "-n", inside, "link", "set", "lo", "up")
        self._run("ip", "-n", inside, "route", "add", "default", "via", net + "1")
        self._run("ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self._iptables(router, "-t", "nat", "-A", "POSTROUTING", "-o", "eth0", "-j", "MASQUERADE", *options)
        self.places[name] = (inside, self.places[name][1])


def cell(asker, target, since):
    """What became of one pair: (how, seconds), the same story from both sides."""
    ends = []
    for client, peer in ((asker, target), (target, asker)):
        end = since + WITHIN + 10
        event = None
        while event is None and time.monotonic() < end:
            event = next((e for e in client.drain() if e["event"] in ("chat_open", "chat_closed") and e["peer"] == peer.name), None)
            time.sleep(0.02)  # Two clients are watched at a time; nothing depends on it.
        check(event is not None, f"{client.name} never heard what became of {peer.name}")
        ends.append(event)
    return ends


def test_each_with_each(world):
    net = Internet(world)
    server = world.server(listen="[::]:4400", relay="[::]:4400", namespace=net.places["server"][0])
    clients = {n: world.member(server, n, host=net.places["server"][1], namespace=net.places[n][0]) for n in net.names}
    approved = {}
    for i in range(len(KINDS)):
        for j in range(len(KINDS)):
            asker, target = clients[f"ask{i}"], clients[f"told{j}"]
            asker.send(cmd="request", peer=target.name)
            request = target.expect("peer_request", **{"from": asker.name})
            target.send(cmd="approve", request_id=request["request_id"])
            asker.expect("request_outcome", outcome="approved", peer=target.name)
            approved[i, j] = time.monotonic(), time.time()
    table = [["asks ↓, is asked →", *KINDS]]
    for i, kind in enumerate(KINDS):
        row = [kind]
        for j, other in enumerate(KINDS):
            mono, wall = approved[i, j]
            a, b = cell(clients[f"ask{i}"], clients[f"told{j}"], mono)
            took = max(a["_seen"], b["_seen"]) - wall
            equal(a["event"], b["event"], f"{kind} → {other}: both sides know the same")
            check(took <= WITHIN, f"{kind} → {other}: told after {took:.1f} s")
            equal(a["event"] == "chat_open", "open" in (kind, other), f"{kind} → {other}: they talk ({a})")
            if a["event"] == "chat_open":
                row.append("asker dials" if a["path"].startswith("dialled") else "asked one dials")
                continue
            for event in (a, b):
                check("no direct connection: " in event["reason"] and PREFIX in event["reason"], f"says why: {event}")
            row.append("told why by both")
        table.append(row)
    # Those who are connected can really talk.
    clients["ask1"].send(cmd="msg", peer="told0", text="from behind a NAT")
    equal(clients["told0"].expect("chat", peer="ask1")["text"], "from behind a NAT", "text")
    clients["told3"].send(cmd="msg", peer="ask0", text="from behind a firewall")
    equal(clients["ask0"].expect("chat", peer="told3")["text"], "from behind a firewall", "text")
    for row in table:
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    harness.main(globals())
