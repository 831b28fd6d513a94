# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: a bad release goes out, the collection takes it back, and a proof says whether all is as it was."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tests.sandbox import proof
from tests.sandbox.load import Load
from tests.sandbox.process import NotReady
from tests.sandbox.releases import Pipeline, Places
from tests.sandbox.stack import ROOT, read_endpoints
from tests.sandbox.supervisor import down, running, up

COMMAND = "ansible-playbook playbooks/rollback.yml -e version=1.4.2"
WANTED = {"version": "1.4.1", "replicas": 3, "schema": 41, "configuration": 6}
RATE = 20  # requests per second
UNCHANGED = re.compile(r"changed=(\d+) +unreachable=0 +failed=0")


def say(text: str) -> None:
    """One line of the story."""
    print(f"-- {text}", flush=True)


def demo(directory: Path) -> int:
    """Tell the whole story; 0 if every line of the proof holds. Ends the sandbox it started, and no other."""
    if running(directory):
        raise NotReady(f"a sandbox runs in {directory}; the demo starts its own: make sandbox-down")
    began = time.monotonic()
    say("starting the sandbox")
    up(directory)
    try:
        status = _story(directory)
    finally:
        down(directory)
    say(f"{'all of it holds' if status == 0 else 'NOT all of it holds'}, after {time.monotonic() - began:.0f} s")
    return status


def _story(directory: Path) -> int:
    endpoints = read_endpoints(directory)
    pipeline = Pipeline(Places.of(endpoints), lambda line: print(f"   {line}", flush=True))
    say("shipping shop 1.4.1")
    pipeline.ship("1.4.1")
    with Load(endpoints["shop"]["url"], directory, RATE):
        say(f"customers come, {RATE} requests per second; shipping shop 1.4.2")
        pipeline.ship("1.4.2")
        rate = proof.wait_for_trouble(endpoints, 0.10, 6)
        say(f"shop 1.4.2 fails {rate:.0%} of its requests")
        before = proof.rows(endpoints)
        first = _rollback()
        lines = [proof.Line("rollback", f"exit status {first.returncode}", first.returncode == 0)]
        lines += proof.prove(endpoints, before, WANTED)
        say("the same command again")
        second = _rollback()
        changes = UNCHANGED.search(second.stdout)
        found = f"changed={changes[1]}" if changes else f"failed, exit status {second.returncode}"
        lines.append(proof.Line("second run", found, found == "changed=0" and second.returncode == 0))
    say("proof")
    for line in lines:
        print(f"   {line}", flush=True)
    return 0 if all(line.holds for line in lines) else 1


def _rollback() -> subprocess.CompletedProcess[str]:
    """Run the command as a person types it, and show what it prints."""
    print(f"$ {COMMAND}", flush=True)
    program, *words = shlex.split(COMMAND)
    tool = Path(sys.executable).parent / program
    process = subprocess.Popen([tool, *words], cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True)
    shown = []
    for line in process.stdout or ():
        print(line, end="", flush=True)
        shown.append(line)
    return subprocess.CompletedProcess(COMMAND, process.wait(), "".join(shown))
