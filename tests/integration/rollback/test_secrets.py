# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets planted in the configuration of both releases come to light nowhere, however talkative the run is."""

from __future__ import annotations

import json
import os
import secrets
import threading
from pathlib import Path

import hvac
import pytest

from tests.integration.rollback.conftest import Operator

pytestmark = pytest.mark.sandbox

DECISION = ("-e", "condition=security_vulnerability", "-e", 'decided_by="Security Lead: Kim Reyes"')
COUNT = 20


@pytest.fixture
def planted(operator: Operator) -> list[str]:
    """Twenty secrets in the live configuration and twenty others, under the same keys, in the one to come back."""
    sandbox = operator.sandbox
    vault = sandbox.endpoints["vault"]
    client = hvac.Client(vault["address"], vault["token"], timeout=10).secrets.kv.v2
    place = {"path": vault["path"], "mount_point": vault["mount"]}
    settings = []
    for release in ("1.4.1", "1.4.2"):
        sandbox.ship(release)
        settings.append(client.read_secret_version(**place, raise_on_deleted_version=True)["data"]["data"])
    values = [secrets.token_urlsafe(18) for _unused in range(2 * COUNT)]
    versions = []
    for plain, half in zip(settings, (values[:COUNT], values[COUNT:]), strict=True):
        keys = {f"APP_PLANTED_{number}": value for number, value in enumerate(half)}
        answer = client.create_or_update_secret(**place, secret={**plain, **keys})
        versions.append(int(answer["data"]["version"]))
    text = (Path(__file__).parents[3] / "inventories/sandbox/releases/1.4.2.yml").read_text()
    text = text.replace("current: 7", f"current: {versions[1]}").replace("previous: 6", f"previous: {versions[0]}")
    directory = sandbox.scratch / "planted"
    directory.mkdir(exist_ok=True)
    (directory / "1.4.2.yml").write_text(text)
    return values


def command_lines(stop: threading.Event, seen: set[str]) -> None:
    """Everything that stands in the process list until ``stop``."""
    while not stop.wait(0.05):
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(file.read_text(errors="replace"))
            except OSError:
                continue


def test_no_planted_secret_comes_to_light(operator: Operator, planted: list[str], tmp_path: Path) -> None:
    stop, seen = threading.Event(), set[str]()
    watcher = threading.Thread(target=command_lines, args=(stop, seen))
    watcher.start()
    log, temporary = tmp_path / "ansible.log", tmp_path / "temporary"
    temporary.mkdir()
    os.environ |= {"ANSIBLE_LOG_PATH": str(log), "ANSIBLE_LOCAL_TEMP": str(temporary), "ANSIBLE_KEEP_REMOTE_FILES": "1"}
    try:
        with operator.sandbox.load(20):
            manifests = f"plan_manifests={operator.sandbox.scratch / 'planted'}"
            output = operator.rollback(*DECISION, "-e", manifests, "-vvv", "--diff")
    finally:
        for name in ("ANSIBLE_LOG_PATH", "ANSIBLE_LOCAL_TEMP", "ANSIBLE_KEEP_REMOTE_FILES"):
            del os.environ[name]
        stop.set()
        watcher.join()
    assert "APP_PLANTED_0" in output, "the configuration was restored, and its keys are told"
    sandbox = operator.sandbox
    records = json.dumps(sandbox.cluster.items("ConfigMap", "app.kubernetes.io/managed-by=octalume.rollback"))
    folders = [sandbox.directory / name for name in ("evidence", "plans", "smtp", "webhook", "backups")]
    files = [path for folder in (*folders, temporary) for path in folder.rglob("*") if path.is_file()]
    places = {
        "output": output,
        "log": log.read_text(),
        "run record": records,
        "process list": "\n".join(seen),
        **{str(path): path.read_bytes().decode(errors="replace") for path in files},
    }
    found = [(place, number) for place, text in places.items() for number, value in enumerate(planted) if value in text]
    assert found == []
