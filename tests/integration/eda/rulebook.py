# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-rulebook with one of the shipped rulebooks, and what its playbooks decided."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shutil
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.sandbox.process import LOOPBACK, Process, answers, free_port

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
TOKEN = "token-of-the-alertmanager"
TASK = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) .*\| TASK \[", re.M)
NEEDED = {
    "java": "apt-get install --yes openjdk-17-jre-headless",
    "prometheus": "apt-get install --yes prometheus",
    "prometheus-alertmanager": "apt-get install --yes prometheus-alertmanager",
}


def skip_where_something_lacks() -> None:
    """Skip loudly, with what to type."""
    lacking = [command for program, command in NEEDED.items() if not shutil.which(program)]
    if not (BIN / "ansible-rulebook").exists():
        lacking.append(f"{sys.executable} -m pip install ansible-rulebook==1.3.2")
    if lacking:
        text = f"Event-Driven Ansible is NOT tested here; type: {' && '.join(lacking)}"
        warnings.warn(text, stacklevel=2)
        pytest.skip(text)


class Rulebook:
    """One ansible-rulebook process; its playbooks write their decisions below ``directory``."""

    def __init__(self, directory: Path, name: str, **variables: Any) -> None:
        """``name`` of the rulebook in the collection; ``variables`` go to the inventory of its playbooks."""
        self.directory, self.name, self.port = directory, name, free_port()
        self.url = f"http://{LOOPBACK}:{self.port}/alerts"
        self.decisions, self.timed = directory / "decisions", directory / "playbooks.log"
        for folder in ("inventory", "decisions", "records"):
            (directory / folder).mkdir(parents=True)
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        own = {"decisions": str(self.decisions), "records": str(directory / "records"), **variables}
        self._write("inventory/hosts.yml", {"all": {"hosts": {"eu": local, "us": local}, "vars": own}})
        self._write(
            "variables.yml",
            {
                "rollback_eda_port": self.port,
                "rollback_eda_playbook": str(ROOT / "playbooks/on_alert.yml"),
                "rollback_playbook": str(ROOT / "tests/integration/decision/decide.yml"),
            },
        )
        self.process: Process | None = None

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        (self.directory / name).write_text(yaml.safe_dump(dict(content)))

    def start(self, **environment: str) -> None:
        """Begin; :meth:`wait` says when it listens."""
        secrets = ["--env-vars", ",".join(name for name in environment if name.startswith("ROLLBACK_"))]
        files = ["-i", self.directory / "inventory", "-e", self.directory / "variables.yml"]
        path = {"PATH": f"{BIN}:/usr/bin:/bin", "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
        self.process = Process(
            [BIN / "ansible-rulebook", "-r", f"octalume.rollback.{self.name}", *files, *secrets],
            self.directory / "rulebook.log",
            environment={**path, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOG_PATH": str(self.timed), **environment},
            directory=self.directory,
        )

    def wait(self) -> None:
        """Until it listens: it starts a Java machine, which takes seconds."""
        assert self.process
        self.process.wait_ready(lambda: answers(self.port), 60)

    def stop(self) -> None:
        """End it."""
        if self.process:
            self.process.stop()

    @property
    def log(self) -> str:
        """What it and its playbooks printed."""
        return (self.directory / "rulebook.log").read_text()

    def tasks(self) -> list[float]:
        """When each task of its playbooks began, in seconds since the epoch."""
        text = self.timed.read_text() if self.timed.exists() else ""
        return [datetime.fromisoformat(at.replace(",", ".")).timestamp() for at in TASK.findall(text)]

    def decided(self) -> list[dict[str, Any]]:
        """The decisions so far."""
        return [json.loads(path.read_text()) for path in sorted(self.decisions.iterdir())]

    def post(self, message: Any, **headers: str) -> int:
        """Send ``message`` as JSON; the status of the answer."""
        body = json.dumps(message).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json", **names})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 -- a loopback URL
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def signature(message: Any, secret: str) -> str:
    """HMAC SHA-256 of ``message`` as :meth:`Rulebook.post` sends it."""
    return hmac.new(secret.encode(), json.dumps(message).encode(), hashlib.sha256).hexdigest()
