#!/usr/bin/env python3
"""Who may include whom. Fails with one line for each forbidden include.

The direction of the parts keeps logic testable in virtual time: pure folders never see a clock, a thread, a socket, gRPC,
SQLite or OpenSSL, and no program includes another one.
"""
import pathlib
import re
import sys

# Folder -> project folders it may include, besides itself. A folder missing here fails the check.
ALLOWED = {
    "common/base": [],
    "common/wire": ["common/base", "common/net/address.h"],
    "common/crypto": ["common/base"],
    "common/config": ["common/base"],
    "common/net": ["common/base", "common/crypto"],
    "common/relay": ["common/base"],
    "common/rpc": ["common/base", "common/crypto", "common/net"],
    "common/session": ["common/base", "common/wire", "common/crypto"],
    "common/reliable": ["common/base", "common/wire"],
    "control-server/domain": ["common/base", "common/wire", "common/config", "common/net/address.h", "common/net/source.h"],
    "control-server/store": ["common/base", "common/net", "common/wire", "control-server/domain"],
    "control-server/admission": ["common/base", "common/net", "common/config", "common/wire"],
    "control-server/service": ["common", "proto", "control-server/domain", "control-server/store",
                               "control-server/admission"],
    "control-server/admin": ["common", "proto", "control-server/domain", "control-server/store",
                             "control-server/service/broadcast_report.h", "control-server/service/errors.h"],
    "control-server/relay_link": ["common", "proto", "control-server/admission/connection_control.h"],
    "control-server/http": ["common"],
    "udp-relay/core": ["common/base", "common/wire", "common/session", "common/reliable", "common/relay",
                       "common/config", "common/net/address.h"],
    "udp-relay/io": ["common", "udp-relay/core"],
    "udp-relay/link": ["common", "proto"],
    "peer-client/app": ["common/base", "common/wire", "common/config", "common/net/address.h"],
    "peer-client/state": ["common", "peer-client/app"],
    "peer-client/control": ["common", "proto", "peer-client/app"],
    "peer-client/broadcast": ["common", "peer-client/state", "peer-client/app"],
    "peer-client/chat": ["common", "proto", "peer-client/state", "peer-client/app"],
    "peer-client/cli": ["common", "peer-client/app"],
    "peer-client/oneshot": ["common", "peer-client/app", "peer-client/cli"],
    "peer-client/tui": ["common", "peer-client/app"],
    "peer-client/transfer": ["common", "proto", "peer-client/app", "peer-client/chat", "peer-client/state"],
    # main.cc and what it is assembled from wire everything of their own program.
    "control-server": ["common", "proto", "control-server"],
    "udp-relay": ["common", "proto", "udp-relay"],
    "peer-client": ["common", "proto", "peer-client"],
}

# The relay runs inside the control-server by default; the files that put it there may name it.
ALSO_ALLOWED = {
    "control-server/in_process_relay.h": ["udp-relay/io"],
    "control-server/in_process_relay.cc": ["udp-relay/io"],
}

PURE = ["control-server/domain", "udp-relay/core", "common/reliable", "common/wire", "peer-client/app"]
FORBIDDEN_IN_PURE = re.compile(
    r"^(sys/|thread$|mutex$|condition_variable$|future$|grpc|google/protobuf|p2p/v1/|sqlite3|SQLiteCpp|openssl/|asio|"
    r"unistd\.h$|poll\.h$|pthread\.h$|netinet/|arpa/|common/base/clock\.h$|common/crypto/os_random\.h$)")
CLOCK_CALLS = re.compile(r"\b(steady_clock|system_clock|high_resolution_clock|gettimeofday|clock_gettime)\b|\bstd::time\(")
# OpenSSL and argon2 stay behind one folder (and the TLS stream and probe).
CRYPTO_ONLY = re.compile(r"^(openssl/|argon2\.h)")
CRYPTO_HOMES = ("common/crypto/", "common/net/tls_")

PROJECT = ("common/", "control-server/", "udp-relay/", "peer-client/", "proto/", "tests/")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def folder_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def permitted(target, allowed):
    return any(target == a or target.startswith(a + "/") for a in allowed)


def check(root):
    findings = []
    for top in ("common", "control-server", "udp-relay", "peer-client"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in (".h", ".cc"):
                continue
            name = str(file.relative_to(root))
            folder = folder_of(name)
            if folder not in ALLOWED:
                findings.append(f"{name}: folder {folder} is not in the layering table")
                continue
            allowed = ALLOWED[folder] + [folder] + ALSO_ALLOWED.get(name, [])
            pure = folder in PURE
            for number, line in enumerate(file.read_text().splitlines(), 1):
                where = f"{name}:{number}"
                if pure and CLOCK_CALLS.search(line):
                    findings.append(f"{where}: a pure folder reads a clock")
                match = INCLUDE.match(line)
                if not match:
                    continue
                target = match.group(2)
                if CRYPTO_ONLY.match(target) and not name.startswith(CRYPTO_HOMES):
                    findings.append(f"{where}: <{target}> belongs in common/crypto")
                if pure and FORBIDDEN_IN_PURE.match(target):
                    findings.append(f"{where}: <{target}> in a pure folder")
                if match.group(1) == '"':
                    target = target.replace("p2p/v1/", "proto/p2p/v1/").replace("google/rpc/", "proto/google/rpc/")
                    if target.startswith(PROJECT) and not permitted(target, allowed):
                        findings.append(f"{where}: {folder} may not include {target}")
    return findings


if __name__ == "__main__":
    problems = check(pathlib.Path(sys.argv[1]))
    for problem in problems:
        print(problem)
    print(f"layering: {len(problems)} findings")
    sys.exit(1 if problems else 0)
