"""Load on one control-server: N attached TLS clients, listing, log-ins, pairs, broadcasts, a restart.
Usage: control_load.py PROGRAMS HELPERS [CLIENTS [WINDOW]]. PROGRAMS holds control-server, HELPERS load_driver and seed_sessions;
WINDOW: seconds for which each rate is watched. Prints what it measured, then one JSON line; exit 1 when a budget is broken
(docs/PERFORMANCE.md). With fewer than 1,000 clients only what is counted is held, not what depends on the machine's speed."""
import json
import os
import queue
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import drive

RESTART_SEC = 0.5  # Of the unit in deploy/systemd.
TICKS = os.sysconf("SC_CLK_TCK")


def memory_kib(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Driver(drive.Process):
    def ask(self, command, timeout):
        self.write(command + "\n")
        try:
            line = self.next_line(timeout)
        except queue.Empty:
            line = None
        if line is None:
            raise drive.Failure(f"load_driver did not answer {command!r} within {timeout} s; stderr: {self.err[-5:]}")
        return json.loads(line)


class Budgets:
    def __init__(self, timed):
        self.lines, self.broken, self.timed = [], [], timed

    def hold(self, name, value, limit, unit=""):
        good = value <= limit or (unit != "" and not self.timed)
        self.lines.append(f"{'ok ' if good else 'BROKEN'} {name}: {value:.4g}{unit} (budget {limit:g}{unit})")
        print(self.lines[-1], flush=True)
        if not good:
            self.broken.append(name)


def restart(world, server, driver, number):
    """The server dies of signal NUMBER and is started as by its unit; it and how its clients came back."""
    server.signal(number)
    server.process.wait()
    killed = time.monotonic()
    time.sleep(RESTART_SEC)  # What systemd waits.
    server = world.server(listen=f"127.0.0.1:{server.port}", relay=f"127.0.0.1:{server.relay_port}")
    ready = time.monotonic() - killed
    return server, {**driver.ask("return", 180), "ready_s": ready, "after_kill_s": time.monotonic() - killed}


def measure(world, helpers, clients, window, budgets):
    sessions = world.path("sessions")
    with open(sessions, "w") as file:
        subprocess.run([os.path.join(helpers, "seed_sessions"), world.path("server"), str(clients)], stdout=file, check=True)
    server = world.server()
    out = {"clients": clients, "max": server.max, "server_start_kib": memory_kib(server.pid)}
    driver = world.add(Driver([os.path.join(helpers, "load_driver"), "--server", f"127.0.0.1:{server.port}", "--ca",
                               os.path.join(server.data_dir, "server.crt"), "--sessions", sessions]))
    out["attach"] = driver.ask("attach 100", 300)
    budgets.hold("all attached", out["attach"]["seconds"], 60 * max(1, clients / 10000), " s")

    before = cpu_seconds(server.pid)
    time.sleep(3 * window)  # The time over which the idle cost is measured.
    out["idle_core_percent"] = 100 * (cpu_seconds(server.pid) - before) / (3 * window)
    budgets.hold("idle", out["idle_core_percent"], 10, " % of a core")
    out["kib_per_client"] = (memory_kib(server.pid) - out["server_start_kib"]) / clients
    budgets.hold("server memory per client", out["kib_per_client"], 110, " KiB")

    out["list"] = driver.ask(f"list {window} 4 500 0", 60)
    budgets.hold("ListActive p99", out["list"]["pages"]["p99_ms"], 200, " ms")
    quiet = driver.ask(f"list {window} 1 20 0", 60)
    busy = driver.ask(f"list {window} 1 20 1000", 120)
    out["list_beside_logins"] = busy
    budgets.hold("ListActive p99 beside 1,000 log-ins", busy["pages"]["p99_ms"], max(20, 3 * quiet["pages"]["p99_ms"]), " ms")
    budgets.hold("pages refused or failed", sum(run["pages"][k] for run in (out["list"], quiet, busy)
                                                for k in ("refused", "failed", "refused_without_retry_info")), 0)
    budgets.hold("log-ins refused without RetryInfo", busy["logins"]["refused_without_retry_info"], 0)
    out["pairs"] = driver.ask(f"pairs {min(1000, clients // 2)} 50", 120)
    budgets.hold("pairs that failed", out["pairs"]["failed"] + out["pairs"]["refused"], 0)
    out["broadcasts"] = driver.ask("broadcasts 5 1000 60", 180)
    budgets.hold("broadcasts doubled", out["broadcasts"]["doubled"], 0)
    budgets.hold("broadcasts lost", 5 * clients - out["broadcasts"]["delivered"], 0)

    server, out["return"] = restart(world, server, driver, signal.SIGABRT)
    budgets.hold("abort, serving again", out["return"]["ready_s"], 2, " s")
    budgets.hold("abort, all attached again", out["return"]["after_kill_s"], 60 * max(1, clients / 10000), " s")
    driver.ask("resume", 10)
    server, out["resume"] = restart(world, server, driver, signal.SIGKILL)
    budgets.hold("kill -9, all resumed and attached", out["resume"]["after_kill_s"], 60 * max(1, clients / 10000), " s")
    driver.kill()
    drive_code = server.stop(30)
    budgets.hold("exit code", drive_code, 0)
    return out


def main(programs, helpers, clients=10000, window=10):
    budgets = Budgets(int(clients) >= 1000)
    with drive.World(programs) as world:
        out = measure(world, helpers, int(clients), int(window), budgets)
    out["broken"] = budgets.broken
    print(json.dumps(out))
    sys.exit(1 if budgets.broken else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
