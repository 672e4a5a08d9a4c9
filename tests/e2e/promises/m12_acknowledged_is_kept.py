"""M12: what was acknowledged survives kill -9. (Loss of power is the store's own test.)"""
import harness
from harness import Raw, check, equal


def restart(world, server):
    server.kill()
    return world.server(listen=f"127.0.0.1:{server.port}", relay=f"127.0.0.1:{server.relay_port}")


def test_accounts_survive_kill_9_right_after_ok(world):
    rounds = harness.scale(50, 500)
    server = world.server()
    for number in range(rounds):
        raw = Raw(server)
        raw.sign_up(f"user{number}", "a good password")
        server = restart(world, server)
        raw.close()
    raw = Raw(server)
    for number in range(rounds):
        check(raw.log_in(f"user{number}", "a good password"), f"user{number} logs in")


def test_broadcasts_survive_kill_9_right_after_ok(world):
    from p2p.v1 import broadcast_pb2
    server = world.server()
    raw = Raw(server)
    raw.sign_up("alice", "a good password")
    token = raw.log_in("alice", "a good password")
    for number in range(harness.scale(20, 200)):
        request = broadcast_pb2.BroadcastRequest(text=f"message {number}", idempotency_key=f"key {number}")
        first = raw.broadcasts.Broadcast(request, metadata=token, timeout=10)
        server = restart(world, server)
        raw.close()
        raw = Raw(server)
        again = raw.broadcasts.Broadcast(request, metadata=token, timeout=10)
        equal(again, first, "the first answer again")


if __name__ == "__main__":
    harness.main(globals())
