"""A full server and 500 clients that want in, on a schedule a tenth as long. Needs the environment of the end-to-end tests and, in
P2P_HELPERS, load_driver and seed_sessions, whose clients hold the places. Prints one JSON line; exit 77 without the memory for so
many clients.

Each refused client must try at least five times in the 60 s that stand for ten minutes, and no second may hold more than a tenth
of all tries. Then the places are given back, and whoever gets one must get it at his next try."""
import collections
import datetime
import json
import os
import resource
import subprocess
import sys
import time

import harness
from control_load import Driver
from harness import check

PLACES, CROWD = 100, 500
AT_ONCE = 64  # So many may be connected from one address without having logged in.
SCALED = {"retry_1": "500ms", "retry_2": "2s", "retry_3": "6s", "retry_4": "15s", "retry_5": "30s", "retry_last_min": "48s",
          "retry_last_max": "59s", "retry_forever": "60s"}
SCHEDULE = [arg for key, value in SCALED.items() for arg in ("--set", f"timing.{key}={value}")]
WINDOW = 60


def at(event):
    """When the client wrote it, in seconds."""
    return datetime.datetime.fromisoformat(event["at"]).timestamp()


def memory_free():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable:")) // 1024


def main(world):
    if memory_free() < 12_000:
        raise harness.Skip("600 clients need 12 GB of memory")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    helpers, sessions = os.environ["P2P_HELPERS"], world.path("sessions")
    with open(sessions, "w") as file:
        subprocess.run([os.path.join(helpers, "seed_sessions"), world.path("server"), str(PLACES)], stdout=file, check=True)
    server = world.server("--max-connections", str(PLACES))
    holders = world.add(Driver([os.path.join(helpers, "load_driver"), "--server", f"127.0.0.1:{server.port}", "--ca",
                                os.path.join(server.data_dir, "server.crt"), "--sessions", sessions]))
    holders.ask("attach 20", 60)
    crowd = [world.client(server, f"crowd{number}", *SCHEDULE) for number in range(CROWD)]
    refused = {client.name: at(client.expect("retry", timeout=60)) for client in crowd}
    harness.wait_for("the window is over", lambda: time.time() > max(refused.values()) + WINDOW, timeout=WINDOW + 120)
    tries, seconds = [], collections.Counter()
    for client in crowd:
        # Every retry but the first tells of a try that failed.
        failed = [at(r) - refused[client.name] for r in client.seen("retry")][1:]
        tries.append(sum(1 for after in failed if after <= WINDOW))
        seconds.update(int(at(r)) for r in client.seen("retry")[1:])
        check(not client.seen("connected"), f"{client.name} got in although the server is full")
    reasons = collections.Counter(r["reason"] for client in crowd for r in client.seen("retry"))
    total = sum(seconds.values())
    worst = max(seconds.values()) / total
    holders.kill()
    freed = time.time()
    harness.wait_for("the free places are taken", lambda: sum(bool(c.seen("connected")) for c in crowd) >= AT_ONCE, timeout=120)
    got_in = [client for client in crowd if client.seen("connected")]
    late = [client.name for client in got_in
            if sum(1 for r in client.seen("retry") if freed + 1 < at(r) < at(client.seen("connected")[0])) > 0]
    print(json.dumps({"clients": CROWD, "places": PLACES, "tries_min": min(tries), "tries_max": max(tries), "tries": total,
                      "fullest_second": round(worst, 4), "reasons": dict(reasons), "got_in": len(got_in),
                      "all_places_taken_s": round(time.time() - freed, 1), "refused_although_free": late}), flush=True)
    check(min(tries) >= 5, f"somebody tried only {min(tries)} times")
    check(worst <= 0.1, f"one second holds {worst:.1%} of all tries")
    check(not late, f"refused although places were free: {late}")


if __name__ == "__main__":
    try:
        with harness.world() as place:
            main(place)
    except harness.Skip as reason:
        print(f"skipped: {reason}")
        sys.exit(77)
