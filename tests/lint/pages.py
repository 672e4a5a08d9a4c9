#!/usr/bin/env python3
"""The pages name files that exist: every `folder/file` in README.md and docs/, and every name without a folder in the folder of
the one before it in its paragraph; every relative link."""
import pathlib
import re
import sys

TOP = ("proto/", "common/", "control-server/", "peer-client/", "udp-relay/", "deploy/", "tests/", "docs/", ".ci/")
NAME = re.compile(r"`([\w./-]+\.(?:cc|h|proto|py|md|cmake|service|toml|yaml))`|`((?:%s)[\w./-]*)`" % "|".join(map(re.escape, TOP)))
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def main(root):
    findings, named = [], 0
    for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        for number, line in enumerate(page.read_text().splitlines(), 1):
            where = f"{page.relative_to(root)}:{number}"
            folder = None
            for match in NAME.finditer(line):
                name = match.group(1) or match.group(2)
                if not name.startswith(TOP):
                    if folder is None:
                        continue  # A file of the reader's own.
                    name = f"{folder}/{name}"
                named += 1
                folder = str(pathlib.PurePath(name).parent) if "." in pathlib.PurePath(name).name else name.rstrip("/")
                if not (root / name).exists() and not name.startswith("build"):
                    findings.append(f"{where}: there is no {name}")
            for target in LINK.findall(line):
                named += 1
                if not (page.parent / target).exists():
                    findings.append(f"{where}: the link {target} leads nowhere")
    for finding in findings:
        print(finding)
    print(f"pages: {len(findings)} findings among {named} names")
    return 1 if findings or named < 50 else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
