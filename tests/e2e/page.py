"""A page of commands as a test: takes the blocks out of it, runs them in one bash, compares what they print.

A ```sh block is run; an ```output block after it is what it must print. In that, `…` stands for any text, white space does
not count, and field names of JSON may be spelled ip_address or ipAddress. Without an output block nothing may be printed."""
import os
import queue
import re
import shutil
import subprocess

import harness
from drive import Failure, Process


class Block:
    def __init__(self, section, line, code):
        self.section, self.line, self.code, self.output = section, line, code, ""


def read(path):
    """The sh blocks of a page, in order."""
    blocks, section, fence, start, lines = [], "", None, 0, []
    with open(path) as file:
        for number, line in enumerate(file, 1):
            if fence is None and line.startswith("## "):
                section = line[3:].strip()
            elif fence is None and line.startswith("```"):
                fence, start, lines = line[3:].strip(), number, []
            elif line.startswith("```"):
                text = "".join(lines)
                if fence == "sh":
                    blocks.append(Block(section, start, text))
                elif fence == "output":
                    harness.check(blocks and not blocks[-1].output, f"line {start}: output without a command")
                    blocks[-1].output = text
                fence = None
            elif fence is not None:
                lines.append(line)
    return blocks


def normal(text):
    text = re.sub(r'"(\w+)":', lambda m: '"' + m.group(1).replace("_", "").lower() + '":', text)
    return re.sub(r"\s+", "", text)


def matches(expected, printed):
    pattern = ".*".join(re.escape(part) for part in normal(expected).split("…"))
    return re.fullmatch(pattern, normal(printed), re.DOTALL) is not None


class Shell(Process):
    """One bash that runs blocks as if they were pasted; what they print, on either output, comes back."""
    MARK = "=== end of block"

    def __init__(self, world, **variables):
        super().__init__(["bash", "--norc"], cwd=harness.ROOT, env=dict(os.environ, **variables), name="bash")
        self.script = world.path("block.sh")
        world.add(self)
        self.write("exec 2>&1\n")

    def run(self, code, timeout=60):
        with open(self.script, "w") as file:
            file.write(code)
        self.write(f"source {self.script} </dev/null; echo; echo '{self.MARK}'\n")
        lines = []
        while True:
            try:
                line = self.next_line(timeout)
            except queue.Empty:
                raise Failure(f"not within {timeout} s, printed so far {lines}:\n{code}") from None
            if line is None:
                raise Failure(f"bash ended, printed {lines}:\n{code}")
            if line == self.MARK:
                return "\n".join(lines)
            lines.append(line)


def walk(shell, blocks):
    """Runs the blocks and compares; returns {section: what was printed}."""
    printed = {}
    for block in blocks:
        got = shell.run(block.code)
        if not matches(block.output, got):
            raise Failure(f"line {block.line} ({block.section}):\n{block.code}\nprinted:\n{got}\nexpected:\n{block.output}")
        printed.setdefault(block.section, "")
        printed[block.section] += got
    return printed


@harness.once
def find_grpcurl(page):
    """The folder of grpcurl: from PATH, else the version that the page names, built once. Skips when there is no Go."""
    found = shutil.which("grpcurl")
    if found:
        return os.path.dirname(found)
    with open(page) as file:
        module, version = re.search(r"go install (\S+/grpcurl)@(v[\d.]+)", file.read()).groups()
    target = harness.FETCHED / f"grpcurl-{version}"
    if not (target / "grpcurl").exists():
        if shutil.which("go") is None:
            harness.missing("neither grpcurl nor go is installed")
        build = subprocess.run(["go", "install", f"{module}@{version}"], env=dict(os.environ, GOBIN=str(target)),
                               capture_output=True, text=True, timeout=400)
        if build.returncode != 0:
            harness.missing(f"grpcurl could not be built: {build.stderr.strip()[-300:]}")
    return str(target)
