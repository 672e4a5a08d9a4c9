#!/usr/bin/env python3
"""deploy/compose.yaml: the whole show in containers, what the images hold, and what the containers may do."""
import json
import os
import re
import shutil
import subprocess

import harness
from harness import Failure, check, equal, missing

BASE = "debian:bookworm-slim"
COMPOSE = harness.ROOT / "deploy" / "compose.yaml"
RELAY = harness.ROOT / "deploy" / "compose.relay.yaml"
PROGRAMS = ["control-server", "udp-relay", "peer-client"]
SIZE_LIMIT = 150_000_000  # Above the base image.
# The first run compiles the programs; on a busy machine with two cores that takes a while.
BUILD_DEADLINE = 1200
SHOW_DEADLINE = 240

# What the show must print, in this order.
STEPS = [
    r"server +\| ready control=\[::\]:4400 relay=\[::\]:4400 http=none max=\d+ fingerprint=SHA256:",
    r"server +\| capacity: serves up to \d+ clients at once",
    r"alice +\| is connected and may: LOGIN, SIGNUP",
    r"alice +\| signed up",
    r"alice +\| logged in; offered: LIST_ACTIVE, BROADCAST",
    r"bob +\| logged in",
    r"carol +\| logged in",
    r"alice +\| sees alice +\d+\.\d+\.\d+\.\d+",
    r"alice +\| sees bob +\d+\.\d+\.\d+\.\d+",
    r"alice +\| sees carol +\d+\.\d+\.\d+\.\d+",
    r"alice +\| asks for \d+\.\d+\.\d+\.\d+",
    r"bob +\| is asked by alice",
    r"bob +\| approves",
    r"alice +\| has a direct encrypted connection",
    r"server +\| is paused",
    r"alice +\| → bob: .*\(delivered\)",
    r"bob +\| → alice: .*\(delivered\)",
    r"server +\| goes on",
    r"alice +\| reads \(\w+\) .* carol: ",
    r"carol +\| reads \(\w+\) .* carol: ",
    r"dave +\| signed up",
    r"dave +\| reads \(\w+\) .* carol: ",
    r"carol +\| denies",
    r"bob +\| learns: denied",
    r"carol +\| is cut off: ",
    r"carol +\| may log in again",
    r"demo: ok$",
]


def run(argv, timeout=60, **kwargs):
    try:
        return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, **kwargs)
    except subprocess.TimeoutExpired:
        raise Failure(f"not within {timeout} s: {' '.join(map(str, argv))}") from None


def output_of(argv):
    done = run(argv)
    check(done.returncode == 0, f"{' '.join(argv)}: {done.stdout.strip()}")
    return done.stdout


def compose_program():
    """As arguments; skips when this machine cannot run the Compose file."""
    if shutil.which("docker") is None:
        missing("docker is not installed")
    if run(["docker", "info"]).returncode != 0:
        missing("no Docker engine answers")
    if run(["docker", "image", "inspect", BASE]).returncode != 0:
        missing(f"the Docker engine has no image {BASE}")
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if run(["docker", "compose", "version"]).returncode == 0:
        return ["docker", "compose"]
    missing("docker-compose is not installed")


class Project:
    """One run of the Compose files, with containers, network and volumes of its own, all gone at the end."""

    def __init__(self, *files):
        self.name = f"p2ptest{os.getpid()}"
        self.argv = compose_program() + ["--ansi", "never", "-p", self.name]
        for file in files:
            self.argv += ["-f", str(file)]

    def __enter__(self):
        # By itself, so that the show is not timed together with the compiler.
        built = run(self.argv + ["build"], timeout=BUILD_DEADLINE)
        check(built.returncode == 0, f"the images were not built:\n{built.stdout[-3000:]}")
        return self

    def __exit__(self, *_):
        run(self.argv + ["down", "-v", "--remove-orphans"], timeout=SHOW_DEADLINE)

    def show(self):
        """Runs it; the exit code and the lines of the demo."""
        done = run(self.argv + ["up", "--no-color", "--exit-code-from", "demo"], timeout=SHOW_DEADLINE)
        # "demo_1   | text" or "demo-1  | text", some with the project's name in front.
        lines = re.findall(r"^\S*demo[-_]1 +\| ?(.*)$", done.stdout, re.MULTILINE)
        self.log = done.stdout
        return done.returncode, lines

    def containers(self):
        ids = output_of(["docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={self.name}"]).split()
        found = json.loads(output_of(["docker", "inspect", *ids]))
        return {c["Config"]["Labels"]["com.docker.compose.service"]: c for c in found}


def expect_steps(lines, steps):
    rest = iter(lines)
    for step in steps:
        if not any(re.search(step, line) for line in rest):
            raise Failure(f"the show does not print, or not in this order: {step}\n" + "\n".join(lines))


def expect_hardened(containers, services):
    equal(sorted(containers), sorted(services), "containers")
    for service, container in containers.items():
        host = container["HostConfig"]
        check(host["ReadonlyRootfs"], f"{service}: its root file system can be written to")
        check(not host["Privileged"] and not host["CapAdd"], f"{service} has privileges")
        equal(host["CapDrop"], ["ALL"], f"{service}: dropped capabilities")
        check(container["Config"]["User"] not in ("", "0", "root"), f"{service} runs as root")
        sockets = [m["Source"] for m in container["Mounts"] if "docker.sock" in m["Source"]]
        equal(sockets, [], f"{service}: the engine's socket")


def test_the_show_runs_in_containers(place):
    with Project(COMPOSE) as project:
        code, lines = project.show()
        check(code == 0, f"exit code {code}\n" + "\n".join(lines or project.log.split("\n")[-60:]))
        expect_steps(lines, STEPS)
        containers = project.containers()
        expect_hardened(containers, ["server", "alice", "bob", "carol", "dave", "demo"])
        equal(containers["server"]["State"]["ExitCode"], 0, "exit code of the server, asked to stop")
        equal([s for s, c in containers.items() if c["State"]["OOMKilled"]], [], "killed for memory")


def test_the_relay_may_have_a_container_of_its_own(place):
    with Project(COMPOSE, RELAY) as project:
        code, lines = project.show()
        check(code == 0, f"exit code {code}\n" + "\n".join(lines or project.log.split("\n")[-60:]))
        start = [r"server +\| ready .* relay=none ", STEPS[1], r"relay +\| ready relay="]
        expect_steps(lines, start + STEPS[2:])
        check(any(re.search(r"reads \(udp\)", line) for line in lines), "no broadcast came through the relay")
        expect_hardened(project.containers(), ["server", "relay", "alice", "bob", "carol", "dave", "demo"])


def test_a_step_that_does_not_hold_is_the_exit_code(place):
    broken = place.path("compose.broken.yaml")
    with open(broken, "w") as file:  # Dave's container never starts his client.
        file.write("services:\n  dave: {command: ['exec sleep 600']}\n"
                   "  demo: {environment: {P2P_TEST_DEADLINE: '12'}}\n")
    with Project(COMPOSE, broken) as project:
        code, lines = project.show()
        equal(code, 1, "exit code")
        expect_steps(lines, STEPS[:-8] + [r"demo: failed: .*container of dave"])


def test_images_hold_what_runs_and_no_more(place):
    with Project(COMPOSE, RELAY):
        base = int(output_of(["docker", "image", "inspect", "-f", "{{.Size}}", BASE]))
        for program in PROGRAMS:
            image = f"p2p-broadcast/{program}"
            above = int(output_of(["docker", "image", "inspect", "-f", "{{.Size}}", image])) - base
            print(f"  {image}: {above / 1e6:.1f} MB above {BASE}", flush=True)
            check(above <= SIZE_LIMIT, f"{image} is {above} bytes above {BASE}")
            expect_runtime_only(image, program)


def expect_runtime_only(image, program):
    def inside(command):
        return output_of(["docker", "run", "--rm", "--network", "none", "--read-only", "--entrypoint", "/bin/sh", image, "-c",
                          command]).split("\n")
    user, *_ = inside("id -u")
    check(user != "0", f"{image} runs as root")
    packages = [p for p in inside("dpkg-query -W -f '${Package}\\n'") if p]
    check(len(packages) > 50, f"{image}: the list of packages is {packages}")
    tools = re.compile(r"-dev$|^(gcc(?!-[0-9]+-base$)|g\+\+|cpp|clang|cmake|ninja|make|binutils|protobuf-compiler|ccache)(-|$)")
    equal([p for p in packages if tools.search(p)], [], f"{image}: packages of developers")
    compilers = inside("find / -xdev -type f -perm /111 \\( -name cc1plus -o -name 'gcc*' -o -name 'g++*' -o -name 'clang*'"
                       " -o -name ld.bfd -o -name protoc \\) 2>/dev/null; find /usr/include -name '*.h' 2>/dev/null || :")
    equal([c for c in compilers if c], [], f"{image}: compilers and headers")
    equal([f for f in inside("ls /var/lib/apt/lists 2>/dev/null || :") if f], [], f"{image}: lists of apt")
    unresolved = inside(f"ldd /usr/local/bin/{program} | grep 'not found' || :")
    equal([u for u in unresolved if u], [], f"{image}: libraries")


if __name__ == "__main__":
    harness.main(globals())
