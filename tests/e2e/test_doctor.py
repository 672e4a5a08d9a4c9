"""peer-client doctor: what works between a client and its server, and one exit code for each thing that does not."""
import json
import os
import shutil
import subprocess

import harness
from harness import check, equal

PORT = 4400


class Patient:
    """One user at one place, examined by one-shots."""

    def __init__(self, world, server, host, namespace=None):
        self.world, self.server, self.host, self.namespace = world, server, host, namespace

    def run(self, *args, stdin="", fingerprint=None, env=None, code=None):
        argv = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        argv += [os.path.join(self.world.bin, "peer-client"), args[0], "--data-dir", self.world.path("alice")]
        argv += ["--server", f"{self.host}:{self.server.port}", "--server-fingerprint", fingerprint or self.server.fingerprint]
        done = subprocess.run(argv + list(args[1:]), input=stdin, capture_output=True, text=True, timeout=60,
                              env={**os.environ, **(env or {})})
        if code is not None:
            equal(done.returncode, code, f"{' '.join(args)} (stdout {done.stdout!r}, stderr {done.stderr!r})")
        return done

    def enter(self):
        for step in ("signup", "login"):
            self.run(step, "alice", "--password-file", "-", stdin="alice-password\n", code=0)

    def examine(self, code, **kwargs):
        """{check: (ok, detail)} of the answer that ends with this code."""
        answer = json.loads(self.run("doctor", "-o", "json", code=code, **kwargs).stdout)
        return {c["check"]: (c["ok"], c["detail"]) for c in answer["checks"]}


def failing(found):
    return [name for name, (ok, _) in found.items() if not ok]


def test_all_is_well_alone_and_beside(world):
    server = world.server()
    patient = Patient(world, server, "127.0.0.1")
    patient.enter()
    found = patient.examine(0)
    equal(list(found), ["server", "identity", "udp", "inbound", "clock"], "checks")
    equal(failing(found), [], "what fails")
    check(server.fingerprint in found["identity"][1], f"the key: {found}")
    client = world.client(server, "alice")
    client.expect("logged_in")
    text = patient.run("doctor", code=0).stdout.splitlines()  # Asks the client that runs.
    equal([line.split()[:2] for line in text], [["ok", name] for name in found], "for people")
    client.send(cmd="doctor")
    equal([c["ok"] for c in client.expect("doctor")["checks"]], [True] * 5, "as an event")


def test_one_exit_code_for_each_thing_that_fails(world):
    harness.need_namespaces()
    if shutil.which("iptables") is None:
        raise harness.missing("iptables is not installed")
    places = world.network(["server", "alice"])
    server = world.server(listen=f"[::]:{PORT}", relay=f"[::]:{PORT}", namespace=places["server"][0])
    namespace, address = places["alice"]
    patient = Patient(world, server, places["server"][1], namespace)
    patient.enter()
    equal(failing(patient.examine(0)), [], "what fails at first")

    def firewall(action, *rule):
        run = subprocess.run(["ip", "netns", "exec", namespace, "iptables", action, "INPUT", *rule], capture_output=True, text=True)
        if run.returncode != 0:
            raise harness.missing(f"iptables: {run.stderr.strip()}")

    incoming = ("-p", "tcp", "--syn", "-j")
    firewall("-A", *incoming, "DROP")
    found = patient.examine(11)
    equal(failing(found), ["inbound"], "behind a firewall that drops")
    check(f"nothing comes back from {address}:4400" in found["inbound"][1], f"where: {found}")
    firewall("-D", *incoming, "DROP")
    firewall("-A", *incoming, "REJECT", "--reject-with", "tcp-reset")
    found = patient.examine(11)
    equal(failing(found), ["inbound"], "behind a firewall that refuses")
    check("refused" in found["inbound"][1], f"how: {found}")
    firewall("-D", *incoming, "REJECT", "--reject-with", "tcp-reset")

    firewall("-A", "-p", "udp", "-j", "DROP")
    found = patient.examine(10)
    equal(failing(found)[0], "udp", "without datagrams")
    firewall("-D", "-p", "udp", "-j", "DROP")

    refused = patient.run("doctor", code=4, fingerprint="SHA256:" + "A" * 43)
    check(server.fingerprint in refused.stderr, f"the key that was shown: {refused.stderr!r}")
    server.kill()
    check("not reached" in patient.run("doctor", "--connect-wait", "3", code=3).stderr, "words for a server that is down")


def test_a_clock_that_is_off(world):
    shim = subprocess.run(["dpkg", "-L", "libfaketime"], capture_output=True, text=True).stdout.split()
    shim = [path for path in shim if path.endswith("/libfaketime.so.1")]
    if not shim:
        raise harness.missing("libfaketime is not installed")
    server = world.server()
    patient = Patient(world, server, "127.0.0.1")
    patient.enter()
    moved = {"LD_PRELOAD": shim[0], "FAKETIME": "+120s", "DONT_FAKE_MONOTONIC": "1"}
    found = patient.examine(12, env=moved)
    equal(failing(found), ["clock"], "what fails")
    check("120 s ahead" in found["clock"][1] or "119 s ahead" in found["clock"][1], f"by how much: {found}")


if __name__ == "__main__":
    harness.main(globals())
