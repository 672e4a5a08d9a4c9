"""docs/GRPCURL.md, command by command, with the real grpcurl against a real server: M13."""
import os

import harness
import page
from harness import check, equal

PAGE = harness.ROOT / "docs/GRPCURL.md"
WAYS = ("By reflection", "From the .proto files")
# What the page tells people they may wait ten seconds for.
FAST = ("--set", "timing.channel_fallback=300ms")


def shell_for(world, server):
    path = page.find_grpcurl(PAGE) + os.pathsep + os.environ["PATH"]
    return page.Shell(world, PATH=path, P2P_SERVER=f"localhost:{server.port}",
                      P2P_CA=os.path.join(server.data_dir, "server.crt"))


def blocks(way):
    """The page for somebody who takes one of the two ways."""
    found = [b for b in page.read(PAGE) if b.section == way or b.section not in WAYS]
    check(len([b for b in found if b.section == way]) == 1 and len(found) > 30, f"the page has its blocks: {len(found)}")
    return found


def prepared(world, server, way):
    """A shell in which everything up to the end of `way` has been pasted."""
    shell = shell_for(world, server)
    page.walk(shell, [b for b in page.read(PAGE) if b.section in ("Start", way)])
    return shell


def test_every_method_is_on_the_page(world):
    server = world.server()
    shell = prepared(world, server, WAYS[0])
    with open(PAGE) as file:
        text = file.read()
    services = shell.run('grpcurl "${OPTIONS[@]}" "$SERVER" list').split()
    for service in [s for s in services if not s.startswith("grpc.reflection")]:
        methods = [m.rpartition(".")[2] for m in shell.run(f'grpcurl "${{OPTIONS[@]}}" "$SERVER" list {service}').split()]
        check(methods, f"{service} has methods")
        for name in (f"{service}/{method}" for method in methods):
            if name != "grpc.health.v1.Health/Watch":
                check(f" {name}" in text, f"{name} is on the page")


def test_the_page_by_reflection(world):
    page.walk(shell_for(world, world.server(*FAST)), blocks(WAYS[0]))


def test_the_page_from_proto_files_without_reflection(world):
    server = world.server(*FAST, listen="[::]:0", relay="[::]:0")
    shell = shell_for(world, server)
    refused = shell.run('grpcurl -cacert "$P2P_CA" "$P2P_SERVER" list')
    check("server does not support the reflection API" in refused, f"no reflection here: {refused!r}")
    page.walk(shell, blocks(WAYS[1]))


def test_reflection_by_flag(world):
    server = world.server("--reflection", listen="[::]:0", relay="[::]:0")
    prepared(world, server, WAYS[0])


def test_the_largest_broadcast_reaches_everybody(world):
    server = world.server()
    ben = world.member(server, "ben")
    shell = prepared(world, server, WAYS[0])
    text = "".join(f"line {n:05} of a long announcement. " for n in range(1800))[:60 * 1024]
    with open(world.path("broadcast.json"), "w") as file:
        file.write(harness.drive.json.dumps({"text": text}))
    log_in(shell, "ann")
    said = shell.run(f'TOKEN=$ANN grpcurl "${{OPTIONS[@]}}" "${{AS[@]}}" -d @ "$SERVER" p2p.v1.BroadcastService/Broadcast '
                     f'<{world.path("broadcast.json")}')
    check("broadcast_id" in said, said)
    got = ben.expect("broadcast")
    equal((got["sender"], got["text"], got["via"]), ("ann", text, "udp"), "60 KiB")


def test_calls_leave_no_connection_behind(world):
    """Each call is a connection of its own, closed without a word at its end: its place is free for the next one at once."""
    server = world.server("--max-connections", "2")
    shell = prepared(world, server, WAYS[0])
    said = shell.run('for i in {1..20}; do grpcurl "${OPTIONS[@]}" "$SERVER" p2p.v1.AccountService/Hello; done')
    check(said.count('"api_version"') == 20 and "full" not in said, said)


def test_our_client_and_grpcurl_ask_each_other(world):
    server = world.server()
    ben = world.member(server, "ben")
    shell = prepared(world, server, WAYS[0])
    log_in(shell, "ann")
    attach(shell)
    ben.send(cmd="request", peer="ann", reason="tea?")
    asked = ben.expect("request_sent")["request_id"]
    check(asked in shell.run("event down 'tea?'"), "the id")
    shell.run(f'echo \'{{"deny": {{"request_id": "{asked}"}}}}\' >&3')
    ben.expect("request_outcome", request_id=asked, outcome="denied")
    said = shell.run('TOKEN=$ANN grpcurl "${OPTIONS[@]}" "${AS[@]}" -d @ "$SERVER" p2p.v1.PeeringService/RequestPeer <<END\n'
                     '{"username": "ben", "reason": "coffee", "nonce": "AAECAwQFBgcICQoLDA0ODw=="}\nEND\n')
    event = ben.expect("peer_request")
    check(event["request_id"] in said and event["from"] == "ann" and event["reason"] == "coffee", f"{event} {said}")
    ben.send(cmd="deny", request_id=event["request_id"])
    check("requested_by_me" in shell.run(f"event down {event['request_id']}"), "the asker learns it")


def test_a_penalty_ends_the_channel_of_grpcurl(world):
    server = world.server()
    shell = prepared(world, server, WAYS[0])
    log_in(shell, "ann")
    attach(shell)
    shell.run('TOKEN=$ANN grpcurl "${OPTIONS[@]}" "${AS[@]}" -d @ "$SERVER" p2p.v1.PeeringService/RequestPeer <<END\n'
              '{"username": "nobody-here", "nonce": "AAECAwQFBgcICQoLDA0ODw=="}\nEND\n')
    ended = shell.run('exec 3>&-; wait $!; echo "exit $?"; cat "$WORK/down"')
    for part in ("exit 71", '"penalty"', "next_step", "Code: PermissionDenied", "PENALTY"):
        check(part in ended, f"{part} in {ended}")


def log_in(shell, name):
    """Signs up and logs in with the page's own commands, for one name; its token is in $ANN."""
    for block in page.read(PAGE):
        if block.section in ("Sign up", "Log in") and "for name in" in block.code:
            shell.run(block.code.replace("ann ben cat", name))


def attach(shell):
    block = next(b for b in page.read(PAGE) if "mkfifo" in b.code)
    printed = shell.run(block.code.replace("$BEN", "$ANN"))
    check(page.matches(block.output, printed), printed)


if __name__ == "__main__":
    harness.main(globals())
