"""M8: what a user types is sent from the server's UDP socket, with the sender's name and the date and time."""
from datetime import datetime

import harness
from harness import check, equal


def ms(rfc3339):
    return int(datetime.fromisoformat(rfc3339.replace("Z", "+00:00")).timestamp() * 1000)


def test_a_broadcast_carries_sender_and_time(world):
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    alice.send(cmd="broadcast", text="Tea is ready. ☕")
    sent = alice.expect("broadcast_sent")
    for client in (alice, bob):
        got = client.expect("broadcast", id=sent["id"])
        equal((got["sender"], got["text"], got["via"]), ("alice", "Tea is ready. ☕", "udp"), "broadcast")
        equal(got["expires_at"], sent["expires_at"], "deadline")
        equal(ms(got["expires_at"]) - ms(got["sent_at"]), 30 * 60 * 1000, "lifetime")


def test_it_leaves_from_the_udp_port_of_the_server(world):
    harness.need_namespaces()
    places = world.network(["server", "alice", "bob"])
    dump = world.add(harness.drive.Process(["tcpdump", "-i", "eth0", "-n", "-l", "--immediate-mode", "udp"],
                                           namespace=places["bob"][0], name="tcpdump"))
    harness.wait_for("tcpdump listens", lambda: any("listening" in line for line in dump.err))
    server = world.server(listen="[::]:4400", relay="[::]:4400", namespace=places["server"][0])
    people = {n: world.member(server, n, host=places["server"][1], namespace=places[n][0]) for n in ("alice", "bob")}
    text = "a text of more than four hundred bytes " * 12
    people["alice"].send(cmd="broadcast", text=text)
    equal(people["bob"].expect("broadcast")["via"], "udp", "via")

    def large():
        """Datagrams that could hold the text, by their sender."""
        return [line.split(" IP ")[1].split(" > ")[0] for line in dump.out
                if " > " in line and int(line.rsplit("length ", 1)[1]) > len(text)]
    senders = harness.wait_for("the datagram was captured", large)
    equal(set(senders), {f"{places['server'][1]}.4400"}, "the only sender of what could hold the text")


if __name__ == "__main__":
    harness.main(globals())
