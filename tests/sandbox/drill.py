# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill does beside the playbooks: ``python -m tests.sandbox.drill keep|prove|begin|end|crash|rot``.

Works on the sandbox of SANDBOX_DIR (or the real servers it was started on), and keeps its notes in that directory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tests.sandbox import proof
from tests.sandbox.cluster import Cluster
from tests.sandbox.process import NotReady, wait_until
from tests.sandbox.stack import ROOT, directory_from_environment, read_endpoints, started

NOTES = "drill.json"
LOCK, HOLDER = "rollback-shop", "rae@other-node/4711"
SECONDS = 600  # a drill that nobody ends is left by its customers
CRASH_SECONDS = 180
# What begins and goes on: its words, and what it prints once it is there.
BEGUN = {
    "customers": (["tests.sandbox", "load", "--rate", "20", "--seconds", str(SECONDS)], "sending"),
    "rival": (["tests.sandbox.drill", "hold"], "holds"),
}


def keep(directory: Path) -> None:
    """Write down the rows that have to be there after the rollback."""
    (directory / NOTES).write_text(json.dumps(proof.rows(read_endpoints(directory))))


def prove(directory: Path, wanted: str) -> int:
    """Print the proof, line by line; 1 if one of them does not hold."""
    before = json.loads((directory / NOTES).read_text())
    lines = list(proof.prove(read_endpoints(directory), before, json.loads(wanted)))
    print("\n".join(map(str, lines)))
    return 0 if all(line.holds for line in lines) else 1


def begin(directory: Path, name: str, argv: list[str], sign: str) -> None:
    """Start something that goes on after this command, until ``end``; wait for ``sign`` in what it prints."""
    end(directory, name)
    log = directory / f"drill-{name}.log"
    with log.open("w") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", *argv],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    (directory / f"drill-{name}.json").write_text(json.dumps({"pid": child.pid, "started": started(child.pid)}))
    wait_until(lambda: sign in log.read_text(), 30, name)


def end(directory: Path, name: str) -> None:
    """End what ``begin`` started, and nothing else."""
    file = directory / f"drill-{name}.json"
    if not file.exists():
        return
    known = json.loads(file.read_text())
    if started(known["pid"]) == known["started"]:
        with suppress(ProcessLookupError):
            os.kill(known["pid"], signal.SIGTERM)
        wait_until(lambda: started(known["pid"]) != known["started"], 30, f"end of {name}")
    file.unlink()


def hold(directory: Path) -> None:
    """Be somebody else's rollback of the shop: take the lock from another machine, and renew it until ended."""
    endpoints = read_endpoints(directory)
    cluster = Cluster(Path(endpoints["kubernetes"]["kubeconfig"]), endpoints["namespace"])
    path = f"/apis/coordination.k8s.io/v1/namespaces/{cluster.namespace}/leases"
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LOCK}}
    taken = {"holderIdentity": HOLDER, "leaseDurationSeconds": 30, "leaseTransitions": 1}
    cluster.call("POST", path, {**lease, "spec": {**taken, "acquireTime": moment(), "renewTime": moment()}})
    print(f"{HOLDER} holds {LOCK}", flush=True)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        time.sleep(1)
        renewed = {"spec": {"renewTime": moment()}}
        cluster.call("PATCH", f"{path}/{LOCK}", renewed, "application/merge-patch+json")


def moment() -> str:
    """Now, as Kubernetes writes it into a Lease."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def crash(step: str, argv: list[str]) -> int:
    """Run ``argv`` and kill it, with all it started, once a line of its output holds ``step``."""
    program = shutil.which(argv[0]) or argv[0]
    process = subprocess.Popen(
        [program, *argv[1:]],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + CRASH_SECONDS
    try:
        for line in process.stdout or ():
            print(line, end="")
            if step in line:
                return 0
            if time.monotonic() > deadline:
                break
        print(f"it ended, or took too long, before {step!r}")
        return 1
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def rot(pattern: str) -> int:
    """Change one byte in the middle of every file that matches; the disk says nothing of it."""
    found = sorted(Path(pattern).parent.glob(Path(pattern).name))
    for path in found:
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 0xFF]))
        print(path)
    return 0 if found else 1


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.drill", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("keep")
    commands.add_parser("prove").add_argument("wanted", help="JSON with version, replicas, schema, configuration")
    commands.add_parser("begin").add_argument("name", choices=sorted(BEGUN))
    commands.add_parser("end").add_argument("name", choices=sorted(BEGUN))
    commands.add_parser("hold")
    crashing = commands.add_parser("crash")
    crashing.add_argument("step")
    crashing.add_argument("argv", nargs=argparse.REMAINDER)
    commands.add_parser("rot").add_argument("pattern")
    return parser.parse_args()


def main() -> int:
    """Do what the command line says; an error is one line."""
    given = parse()
    directory = directory_from_environment()
    try:
        match given.command:
            case "keep":
                keep(directory)
            case "prove":
                return prove(directory, given.wanted)
            case "begin":
                begin(directory, given.name, *BEGUN[given.name])
            case "end":
                end(directory, given.name)
            case "hold":
                hold(directory)
            case "crash":
                return crash(given.step, given.argv)
            case _:
                return rot(given.pattern)
    except NotReady as error:
        print(f"drill: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
