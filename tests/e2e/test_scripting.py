"""docs/SCRIPTING.md: its cron line, its watch loop and its bot, taken from the page and run."""
import json
import os
import re
import subprocess
import sys

import harness
from harness import check, drive, equal


def block(heading, language):
    """The code block under a heading of the page."""
    with open(harness.ROOT / "docs/SCRIPTING.md") as file:
        section = file.read().split(f"## {heading}\n", 1)[1]
    return re.search(rf"```{language}\n(.*?)```", section, re.S).group(1)


class User:
    """Somebody with a home directory of his own and the programs on PATH."""

    def __init__(self, world, server, name):
        self.home = world.path(f"home-{name}")
        os.mkdir(self.home)
        self.env = dict(os.environ, HOME=self.home, XDG_STATE_HOME=os.path.join(self.home, "state"),
                        PATH=world.bin + os.pathsep + os.environ["PATH"])
        with open(os.path.join(self.home, "password"), "w") as file:
            file.write(f"{name}-password\n")
        at = ["--server", f"127.0.0.1:{server.port}", "--server-fingerprint", server.fingerprint]
        for command in ("signup", "login"):
            run = subprocess.run(["peer-client", command, name, "--password-file", "password", *at], cwd=self.home, env=self.env,
                                 capture_output=True, text=True, timeout=60)
            equal(run.returncode, 0, f"{command}: {run.stderr}")

    def shell(self, world, text, name):
        return world.add(drive.Process(["/bin/sh", "-c", text], cwd=self.home, env=self.env, name=name))


def test_the_cron_line(world):
    server = world.server()
    reader = world.member(server, "reader")
    line = block("A broadcast from cron", "sh").strip()
    command = re.fullmatch(r"\S+ \S+ \S+ \S+ \S+ +(.*)", line).group(1)
    cron = User(world, server, "cron")
    equal(cron.shell(world, command, "cron").wait(60), 0, "exit code")
    with open(os.path.join(cron.home, "broadcasts.log")) as file:
        logged = json.loads(file.read())
    equal(reader.expect("broadcast", sender="cron")["id"], logged["id"], "the id in the log")


def test_the_watch_loop(world):
    server = world.server()
    watcher = User(world, server, "watcher")
    watcher.shell(world, block("A watch loop", "sh"), "watch")
    alice = world.member(server, "alice")

    def there():
        alice.send(cmd="list")
        return "watcher" in [c["username"] for c in alice.expect("active")["clients"]]
    harness.wait_for("the watcher is attached", there)
    alice.send(cmd="request", peer="watcher", reason="lunch?")
    path = os.path.join(watcher.home, "requests.log")
    harness.wait_for("the request is in the log", lambda: os.path.exists(path) and open(path).read().endswith("\n"))
    with open(path) as file:
        event = json.loads(file.read())
    equal((event["from"], event["reason"]), ("alice", "lunch?"), "what was logged")


def test_the_bot(world):
    text = block("A bot", "python")
    check(len(text.splitlines()) < 40, "the bot has fewer than 40 lines")
    server = world.server()
    bot = User(world, server, "bot")
    with open(os.path.join(bot.home, "bot.py"), "w") as file:
        file.write(text)
    os.rename(os.path.join(bot.home, "password"), os.path.join(bot.home, "bot-password"))
    world.add(drive.Process([sys.executable, "bot.py", "127.0.0.1", str(server.port), server.fingerprint], cwd=bot.home,
                            env=bot.env, name="bot"))
    alice = world.member(server, "alice")

    def there():
        alice.send(cmd="list")
        return "bot" in [c["username"] for c in alice.expect("active")["clients"]]
    harness.wait_for("the bot is attached", there)
    alice.send(cmd="request", peer="bot")
    alice.expect("chat_open", peer="bot")
    for said, wanted in (("hello", r"Ask me for the time\."), ("what time is it?", r"It is \d\d:\d\d\.")):
        alice.send(cmd="msg", peer="bot", text=said)
        got = alice.expect("chat", peer="bot")["text"]
        check(re.fullmatch(wanted, got), f"{said!r} was answered {got!r}")


if __name__ == "__main__":
    harness.main(globals())
