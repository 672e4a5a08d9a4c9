"""cmake --install, the units, and docs/OPERATIONS.md's backup, on the installed programs."""
import os
import re
import shutil
import signal
import socket
import subprocess

import harness
import syscall_filter
from harness import Raw, check, drive, equal

UNITS = ("p2p-control-server", "p2p-udp-relay")


def installed(world):
    """A prefix of our own with what `cmake --install` puts there; World.bin points into it from now on."""
    prefix = world.path("prefix")
    build = os.path.dirname(world.bin)
    subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
    world.bin = os.path.join(prefix, "bin")
    return prefix


def test_what_is_installed_where(world):
    prefix = installed(world)
    for path in ["bin/control-server", "bin/udp-relay", "bin/peer-client", "share/doc/p2p-broadcast/README.md",
                 "share/doc/p2p-broadcast/docs/OPERATIONS.md", "share/p2p-broadcast/server.toml",
                 "share/p2p-broadcast/proto/p2p/v1/accounts.proto", "share/p2p-broadcast/proto/PEER_LINK.md",
                 *(f"lib/systemd/system/{unit}.service" for unit in UNITS)]:
        check(os.path.isfile(os.path.join(prefix, path)), f"{path} is installed")
    for unit in UNITS:
        with open(os.path.join(prefix, f"lib/systemd/system/{unit}.service")) as file:
            text = file.read()
        check("@" not in re.sub(r"(?m)^SystemCallFilter=.*$", "", text), f"{unit}: every name is filled in")
        check(f"ExecStart={prefix}/bin/" in text, f"{unit} starts the installed program")
    for program in ("control-server", "udp-relay", "peer-client"):
        run = subprocess.run([os.path.join(world.bin, program), "--help"], capture_output=True, text=True, timeout=10)
        equal((run.returncode, "PeerToPeer Broadcast" in run.stdout), (0, True), f"{program} --help")
    example = os.path.join(prefix, "share/p2p-broadcast/server.toml")
    with open(example) as file:
        every = re.sub(r"(?m)^# (?=[a-z_]+ = )", "", file.read())
    with open(world.path("all.toml"), "w") as file:  # Every line of the example means something to the server.
        file.write(re.sub(r'(?m)^(cert|key|relay_token_file) = .*\n', "", every))
    for config in (example, world.path("all.toml")):
        run = subprocess.run([os.path.join(world.bin, "control-server"), "check-config", "--config", config],
                             capture_output=True, text=True, timeout=10)
        equal(run.returncode, 0, f"check-config: {run.stderr}")


def test_the_units_are_sound_and_tight(world):
    if not shutil.which("systemd-analyze"):
        raise harness.Skip("systemd-analyze is not installed")
    prefix = installed(world)
    for unit in UNITS:
        path = os.path.join(prefix, f"lib/systemd/system/{unit}.service")
        run = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60)
        equal((run.returncode, run.stderr), (0, ""), f"systemd-analyze verify {unit}")
        run = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", path], capture_output=True,
                             text=True, timeout=60)
        exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", run.stdout).group(1))
        check(exposure <= 2.5, f"{unit}: exposure {exposure}")


def test_the_server_lives_under_its_units_filter(world):
    if not shutil.which("systemd-analyze") or not syscall_filter.available():
        raise harness.Skip("no systemd-analyze, or another kind of machine")
    prefix = installed(world)
    unit = os.path.join(prefix, "lib/systemd/system/p2p-control-server.service")
    # A program that starts the server under the filter, in the place where World looks for it.
    shim = world.path("shim")
    os.mkdir(shim)
    with open(os.path.join(shim, "control-server"), "w") as file:
        file.write(f'#!/bin/sh\nexec /usr/bin/python3 {syscall_filter.__file__} {unit} {prefix}/bin/control-server "$@"\n')
    os.chmod(os.path.join(shim, "control-server"), 0o755)
    os.symlink(os.path.join(prefix, "bin/peer-client"), os.path.join(shim, "peer-client"))
    world.bin = shim
    server = world.server()
    alice, bob = world.member(server, "alice"), world.member(server, "bob")
    alice.send(cmd="broadcast", text="still alive")
    equal(bob.expect("broadcast")["via"], "udp", "via")
    equal(server.stop(), 0, "exit code")


def test_the_service_manager_hears_when_it_serves_and_when_it_stops(world):
    installed(world)
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(world.path("notify"))
    manager.settimeout(drive.DEADLINE)
    server = world.server(env=dict(os.environ, NOTIFY_SOCKET=world.path("notify")))
    equal(manager.recv(100), b"READY=1", "once it serves")
    server.signal(signal.SIGTERM)
    equal(manager.recv(100), b"STOPPING=1", "when it is told to stop")
    equal(server.wait(), 0, "exit code")
    manager.close()


def test_a_copy_of_the_directory_is_a_backup(world):
    from p2p.v1 import broadcast_pb2
    server = world.server()
    raw = Raw(server)
    raw.sign_up("alice", "a good password")
    token = raw.log_in("alice", "a good password")
    sent = raw.broadcasts.Broadcast(broadcast_pb2.BroadcastRequest(text="kept", idempotency_key="k"), metadata=token, timeout=10)
    raw.close()
    equal(server.stop(), 0, "exit code")
    archive = world.path("backup.tar")
    subprocess.run(["tar", "-C", server.data_dir, "-cf", archive, "."], check=True)
    os.mkdir(world.path("restored"), mode=0o700)
    subprocess.run(["tar", "-C", world.path("restored"), "-xpf", archive], check=True)
    restored = world.server(data="restored")
    equal(restored.fingerprint, server.fingerprint, "the same identity")
    bob = world.member(restored, "bob")
    equal(bob.expect("broadcast", text="kept")["id"], sent.broadcast_id, "the broadcast that nobody had yet")
    check(Raw(restored).log_in("alice", "a good password"), "alice logs in")


if __name__ == "__main__":
    harness.main(globals())
