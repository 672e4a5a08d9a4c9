"""Many accounts on one control-server: import, start, log-ins, export. Usage: accounts_load.py [ACCOUNTS]; needs the environment of
the end-to-end tests. Prints one JSON line; exit 1 when something is not as it should be."""
import csv
import io
import json
import os
import random
import subprocess
import sys
import time

import harness
from harness import check, equal

PASSWORD = "correct horse"
# Of that password, at 8 KiB and one pass: this is about the table, not about hashing.
PHC = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$t5QLzMlfSPLMezb1X/hRw1bKTTpryM1JhqBpLyqseOw"


def memory_mib(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


def timed(what):
    began = time.monotonic()
    result = what()
    return result, round(time.monotonic() - began, 2)


def measure(world, accounts):
    def user(*args):
        return subprocess.run([os.path.join(world.bin, "control-server"), "user", *args, "--data-dir", world.path("server")],
                              capture_output=True, text=True, timeout=600, check=True).stdout
    names = [f"person{number:06d}" for number in range(accounts)]
    with open(world.path("users.csv"), "w") as file:
        file.write("username,phc_hash\n" + "".join(f'"{name}","{PHC}"\n' for name in names))
    out = {"accounts": accounts}
    _, out["import_s"] = timed(lambda: user("import", world.path("users.csv")))
    _, out["import_again_s"] = timed(lambda: user("import", world.path("users.csv")))
    server, out["ready_s"] = timed(world.server)
    out["server_mib"] = round(memory_mib(server.pid), 1)
    raw = harness.Raw(server)
    times = []
    for name in random.Random(1).sample(names, min(100, accounts)):
        _, took = timed(lambda: raw.log_in(name, PASSWORD))
        times.append(took)
    out["log_in_p99_s"] = sorted(times)[-2]
    _, out["sign_up_s"] = timed(lambda: raw.sign_up("newcomer", PASSWORD))
    exported, out["export_s"] = timed(lambda: user("export"))  # From the running server.
    rows = list(csv.reader(io.StringIO(exported)))
    equal(rows[0], ["username", "phc_hash"], "header")
    equal(sorted(row[0] for row in rows[1:]), sorted(names + ["newcomer"]), "names")
    check(all(row[1] == PHC for row in rows[1:] if row[0] != "newcomer"), "hashes are those of the file")
    out["database_mib"] = round(os.path.getsize(os.path.join(server.data_dir, "server.db")) / 2**20, 1)
    raw.close()
    equal(server.stop(30), 0, "exit code")
    return out


def main(accounts=100000):
    with harness.world() as world:
        out = measure(world, int(accounts))
    print(json.dumps(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
