"""M2: who finds no place is told why, retries on the schedule and gets in by itself."""
import harness
from harness import check, equal

SHORT = {"retry_1": "300ms", "retry_2": "600ms", "retry_3": "1s", "retry_4": "2s", "retry_5": "3s", "retry_last_min": "4s",
         "retry_last_max": "5s", "retry_forever": "2s"}
# The long form waits on the real schedule, which takes ten minutes.
RETRY = [] if harness.LONG else [arg for key, value in SHORT.items() for arg in ("--set", f"timing.{key}={value}")]


def test_fifty_of_sixty_are_served_and_the_rest_follow(world):
    server = world.server("--max-connections", "50")
    equal(server.max, 50, "max")
    served = [world.client(server, f"u{n:02}", *RETRY) for n in range(50)]
    for client in served:
        client.expect("connected", timeout=60)
    waiting = [world.client(server, f"u{n:02}", *RETRY) for n in range(50, 60)]
    for client in waiting:
        event = client.expect("retry", timeout=60)
        equal(event["reason"], "full", "reason")
        check(event["in_s"] >= 0 and event["attempt"] >= 1 and event["of"] >= 5, f"retry says when and how often: {event}")
    for number, client in enumerate(served):
        client.sign_up(f"user{number:02}", "a good password")
        client.log_in(f"user{number:02}", "a good password")
    served[0].send(cmd="list")
    equal(len(served[0].expect("active")["clients"]), 50, "clients listed")
    check(not any(client.seen("connected") for client in waiting), "nobody beyond the cap was served")
    for leaver in served[-10:]:
        leaver.send(cmd="quit")
        equal(leaver.wait(), 0, "exit code")
    for client in waiting:
        client.expect("connected", timeout=harness.scale(60, 700))
    check(not any(client.seen("retry", reason="unreachable") for client in waiting), "the server was never unreachable")
    equal(server.process.poll(), None, "the server runs")


def test_a_missing_server_is_retried_on_the_schedule(world):
    server = world.server()
    port, fingerprint = server.port, server.fingerprint
    equal(server.stop(), 0, "exit code")
    client = world.client(server, "alice", *RETRY, port=port, fingerprint=fingerprint)
    for attempt in range(1, 6):
        event = client.expect("retry", reason="unreachable", timeout=harness.scale(20, 400))
        equal(event["attempt"], attempt, "attempt")
    world.server(listen=f"127.0.0.1:{port}")
    client.expect("connected", timeout=harness.scale(30, 700))


if __name__ == "__main__":
    harness.main(globals())
