"""A full server and 500 clients that want in, on a schedule a tenth as long. Needs the environment of the end-to-end tests. Prints
one JSON line; exit 77 without the memory for so many clients.

Each refused client must try at least five times in the 60 s that stand for ten minutes, and no second may hold more than a tenth
of all tries."""
import collections
import json
import resource
import sys
import time

import harness
from harness import check

PLACES, CROWD = 100, 500
SCALED = {"retry_1": "500ms", "retry_2": "2s", "retry_3": "6s", "retry_4": "15s", "retry_5": "30s", "retry_last_min": "48s",
          "retry_last_max": "59s"}
SCHEDULE = [arg for key, value in SCALED.items() for arg in ("--set", f"timing.{key}={value}")]
WINDOW = 60


def memory_free():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable:")) // 1024


def main(world):
    if memory_free() < 12_000:
        raise harness.Skip("600 clients need 12 GB of memory")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = world.server("--max-connections", str(PLACES))
    holders = []
    for number in range(PLACES):
        raw = harness.Raw(server)
        raw.sign_up(f"holder{number}", "a good password")
        raw.log_in(f"holder{number}", "a good password")
        holders.append(raw)
    crowd = [world.client(server, f"crowd{number}", *SCHEDULE) for number in range(CROWD)]
    refused = {client.name: client.expect("retry", timeout=60)["_seen"] for client in crowd}
    harness.wait_for("the window is over", lambda: time.time() > max(refused.values()) + WINDOW, timeout=WINDOW + 120)
    tries, seconds = [], collections.Counter()
    for client in crowd:
        # Every retry but the first tells of a try that failed.
        failed = [r["_seen"] - refused[client.name] for r in client.seen("retry")][1:]
        tries.append(sum(1 for at in failed if at <= WINDOW))
        seconds.update(int(r["_seen"]) for r in client.seen("retry")[1:])
        check(not client.seen("connected"), f"{client.name} got in although the server is full")
    reasons = collections.Counter(r["reason"] for client in crowd for r in client.seen("retry"))
    total = sum(seconds.values())
    worst = max(seconds.values()) / total
    print(json.dumps({"clients": CROWD, "places": PLACES, "tries_min": min(tries), "tries_max": max(tries), "tries": total,
                      "fullest_second": round(worst, 4), "reasons": dict(reasons)}), flush=True)
    check(min(tries) >= 5, f"somebody tried only {min(tries)} times")
    check(worst <= 0.1, f"one second holds {worst:.1%} of all tries")


if __name__ == "__main__":
    try:
        with harness.world() as place:
            main(place)
    except harness.Skip as reason:
        print(f"skipped: {reason}")
        sys.exit(77)
