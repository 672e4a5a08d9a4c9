#!/usr/bin/env python3
"""Habits that no compiler checks: sources are formatted, free of left-over markers, and headers guard themselves."""
import pathlib
import re
import shutil
import subprocess
import sys

MARKERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|DISABLED_|GTEST_SKIP\(\)\s*;")


def main(root):
    findings = []
    tracked = subprocess.run(["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"],
                             capture_output=True, text=True)
    if tracked.returncode == 0:
        names = tracked.stdout.split("\n")
    else:  # A source tree without its history.
        names = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and "build/" not in str(p)]
    sources = [n for n in names if n.endswith((".h", ".cc")) and (root / n).exists()]
    for name in sources:
        text = (root / name).read_text()
        if name.endswith(".h") and "#pragma once" not in text:
            findings.append(f"{name}: no #pragma once")
        for number, line in enumerate(text.splitlines(), 1):
            if MARKERS.search(line):
                findings.append(f"{name}:{number}: left-over marker: {line.strip()}")
    formatter = shutil.which("clang-format-14")
    if formatter is None:
        print("skipped: clang-format-14 is not installed")
    elif sources:
        run = subprocess.run([formatter, "--dry-run", "-Werror"] + [str(root / n) for n in sources],
                             capture_output=True, text=True)
        findings += sorted({line.split(": ")[0] + ": not formatted"
                            for line in run.stderr.splitlines() if "clang-format-violations" in line})
    for finding in findings:
        print(finding)
    print(f"text: {len(findings)} findings in {len(sources)} files")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
