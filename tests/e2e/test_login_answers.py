"""A log-in that fails does not say whether there is such a user: neither in its words nor, in the long form, by its time."""
import json
import statistics
import time

import grpc
import harness
from harness import LONG, Raw, check, equal
from p2p.v1 import accounts_pb2

GUESSES = 8  # For one name; the tenth would pause it.
NAMES = harness.scale(1, 50)
TOLERANCE = 0.05


def guess(raw, username):
    """Everything that the answer holds, and the seconds that it took."""
    started = time.perf_counter()
    try:
        raw.accounts.Login(accounts_pb2.LoginRequest(username=username, password="a wrong password"), timeout=10)
    except grpc.RpcError as error:
        took = time.perf_counter() - started
        return (error.code(), error.details(), tuple(error.initial_metadata()), tuple(error.trailing_metadata())), took
    raise harness.Failure(f"{username} got in")


def test_unknown_users_and_wrong_passwords_get_the_same_answer(world):
    raw = Raw(world.server())
    raw.sign_up("known-user", "a good password")
    wrong, _ = guess(raw, "known-user")
    equal(guess(raw, "nobody-here")[0], wrong, "the answer")
    equal(wrong[0], grpc.StatusCode.UNAUTHENTICATED, "its code")
    # Guessing too often is answered alike too.
    for name in ("known-user", "nobody-here"):
        for _ in range(9):
            guess(raw, name)
    paused, unknown = guess(raw, "known-user")[0], guess(raw, "nobody-here")[0]
    equal(paused[0], grpc.StatusCode.RESOURCE_EXHAUSTED, "the eleventh")
    equal(unknown[:2], paused[:2], "the pause")
    raw.close()


def test_unknown_users_and_wrong_passwords_take_the_same_time(world):
    if not LONG:
        raise harness.Skip("tests/soak login-timing")
    server = world.server()
    raw = Raw(server)
    for number in range(NAMES):
        raw.sign_up(f"known{number}", "a good password")
    took = {"known": [], "other": []}
    for _ in range(GUESSES):
        raw.close()  # What a connection may send without a log-in is bounded.
        raw = Raw(server)
        raw.accounts.Hello(accounts_pb2.HelloRequest(), timeout=10)
        for number in range(NAMES):
            for kind in ("known", "other") if number % 2 else ("other", "known"):
                answer, seconds = guess(raw, f"{kind}{number}")
                equal(answer[0], grpc.StatusCode.UNAUTHENTICATED, f"{kind}{number}")
                took[kind].append(seconds)
    raw.close()
    known, unknown = (statistics.median(took[kind]) * 1000 for kind in ("known", "other"))
    print(json.dumps({"wrong_password_ms": round(known, 3), "unknown_user_ms": round(unknown, 3),
                      "ratio": round(unknown / known, 4), "each": len(took["known"])}), flush=True)
    check(abs(unknown / known - 1) <= TOLERANCE, f"medians {known:.2f} and {unknown:.2f} ms")


if __name__ == "__main__":
    harness.main(globals())
