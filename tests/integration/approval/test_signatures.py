# SPDX-License-Identifier: GPL-3.0-or-later
"""Approvals with real keys and the real ssh-keygen: who counts, and why somebody does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import manifest_signature_info

from tests.integration.http.wire import call

ROOT = Path(__file__).resolve().parents[3]
TODAY = datetime.now(UTC).date()
OPS, DEV = "DevOps Lead", "Dev Lead"
MANIFEST = """
release: 1.4.2
previous: 1.4.1
service: shop
document: P7-ROLLBACK-142
author: Dana Okafor
databases: [{name: shop, current: 42, previous: 41}]
"""


def keygen(*words: str | Path, content: str = "") -> str:
    """Run ssh-keygen."""
    program = shutil.which("ssh-keygen")
    assert program, "ssh-keygen is missing: apt-get install openssh-client"
    done = subprocess.run([program, *words], input=content, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout


@dataclass
class Office:
    """A manifest, people with keys, and who may sign as what."""

    home: Path

    @property
    def manifest(self) -> Path:
        return self.home / "releases" / "1.4.2.yml"

    def key(self, name: str, kind: str = "ed25519") -> Path:
        file = self.home / "keys" / name
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            keygen("-q", "-t", kind, "-N", "", "-C", name, "-f", file)
        return file

    def allow(self, role: str, *names: str, options: str = "") -> None:
        lines = [f"{name}@example.com {options} {' '.join(self.public(name))}" for name in names]
        file = self.home / "signers" / role
        file.parent.mkdir(exist_ok=True)
        file.write_text("# who may sign\n" + "\n".join(lines) + "\n")

    def public(self, name: str) -> list[str]:
        return self.key(name).with_suffix(".pub").read_text().split()[:2]

    def sign(self, role: str, name: str, day: object = TODAY, namespace: str = "octalume-rollback") -> Path:
        """As the module's documentation says it."""
        words = ("-Y", "sign", "-f", self.key(name), "-n", f"{namespace}/{role}/{day}")
        file = self.manifest.with_name(f"{self.manifest.name}.{role}.sig")
        file.write_text(keygen(*words, content=self.manifest.read_text()))
        return file

    def ask(self, **options: Any) -> dict[str, Any]:
        return call(manifest_signature_info, path=str(self.manifest), signers=str(self.home / "signers"), **options)

    def verdict(self, role: str, **options: Any) -> tuple[str, str]:
        """The reason and the message of one role."""
        [found] = [entry for entry in self.ask(**options)["approvals"] if entry["role"] == role]
        assert found["verdict"] == ("fail" if found["reason"] else "pass")
        return found["reason"], found["message"]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Dana and Bo have signed, each in their role."""
    found = Office(tmp_path)
    found.manifest.parent.mkdir()
    found.manifest.write_text(MANIFEST)
    found.allow("devops-lead", "dana")
    found.allow("dev-lead", "bo")
    found.sign("devops-lead", "dana")
    found.sign("dev-lead", "bo")
    return found


def test_two_signatures_approve(office: Office) -> None:
    found = office.ask()
    assert found["approved"] is True
    assert [(entry["role"], entry["signer"], entry["date"]) for entry in found["approvals"]] == [
        (OPS, "dana@example.com", str(TODAY)),
        (DEV, "bo@example.com", str(TODAY)),
    ]
    assert all(entry["fingerprint"].startswith("ED25519 SHA256:") for entry in found["approvals"])


def test_other_kinds_of_keys_count_too(office: Office) -> None:
    office.key("kim", "ecdsa")
    office.allow("dev-lead", "bo", "kim")
    office.sign("dev-lead", "kim")
    assert office.verdict(DEV) == ("", "signed by kim@example.com")


def test_a_changed_manifest_is_refused(office: Office) -> None:
    office.manifest.write_text(MANIFEST.replace("previous: 41", "previous: 40"))
    reason, message = office.verdict(OPS)
    assert (reason, f"changed since it was signed on {TODAY}" in message) == ("changed", True)
    assert office.ask()["approved"] is False


def test_a_missing_signature_names_the_command_that_makes_it(office: Office) -> None:
    file = office.manifest.with_name("1.4.2.yml.dev-lead.sig")
    file.unlink()
    [_unused, found] = office.ask()["approvals"]
    assert (found["reason"], found["message"]) == ("unsigned", "not signed")
    command = found["command"].replace("~/.ssh/id_ed25519", str(office.key("bo")))
    subprocess.run(["bash", "-c", command], check=True, capture_output=True, timeout=20)
    assert office.verdict(DEV) == ("", "signed by bo@example.com")


def test_a_key_nobody_allowed_is_refused(office: Office) -> None:
    office.sign("dev-lead", "eve")
    reason, message = office.verdict(DEV)
    assert (reason, "is not in" in message) == ("wrong_key", True)


def test_a_signer_of_another_role_is_refused(office: Office) -> None:
    office.sign("dev-lead", "dana")
    assert office.verdict(DEV) == ("wrong_role", "dana@example.com may sign as DevOps Lead, not as Dev Lead")


def test_a_signature_made_in_one_role_is_none_in_another(office: Office) -> None:
    office.allow("dev-lead", "dana", "bo")
    made = office.manifest.with_name("1.4.2.yml.devops-lead.sig")
    shutil.copy(made, office.manifest.with_name("1.4.2.yml.dev-lead.sig"))
    assert office.verdict(DEV)[0] == "wrong_role"


def test_a_signature_for_something_else_is_refused(office: Office) -> None:
    office.sign("dev-lead", "bo", namespace="file")
    reason, message = office.verdict(DEV)
    assert (reason, "made for 'file/dev-lead" in message) == ("wrong_role", True)


def test_one_person_does_not_approve_twice(office: Office) -> None:
    office.allow("dev-lead", "dana", "bo")
    office.sign("dev-lead", "dana")
    assert office.verdict(DEV)[0] == "same_person"
    assert office.verdict(OPS)[0] == ""


def test_the_requester_does_not_approve(office: Office) -> None:
    assert office.verdict(DEV, requester="bo@example.com")[0] == "requester"
    assert office.ask(requester="kim@example.com")["approved"] is True


@pytest.mark.parametrize("options", ['valid-before="20240101"', 'valid-after="20990101"'])
def test_a_key_outside_its_time_is_refused(office: Office, options: str) -> None:
    office.allow("dev-lead", "bo", options=options)
    reason, message = office.verdict(DEV)
    assert (reason, "may no longer sign as Dev Lead" in message) == ("expired", True)


def test_a_key_for_other_purposes_is_refused(office: Office) -> None:
    office.allow("dev-lead", "bo", options='namespaces="git,file"')
    assert office.verdict(DEV)[0] == "wrong_role"
    office.allow("dev-lead", "bo", options='namespaces="octalume-rollback/dev-lead/*"')
    assert office.verdict(DEV)[0] == ""


def test_an_old_approval_expires(office: Office) -> None:
    office.sign("dev-lead", "bo", TODAY - timedelta(days=31))
    assert office.verdict(DEV)[0] == ""
    assert office.verdict(DEV, valid_days=31)[0] == ""
    assert office.verdict(DEV, valid_days=30)[0] == "expired"
    office.sign("dev-lead", "bo", TODAY + timedelta(days=3))
    assert office.verdict(DEV)[0] == "not_yet"
    office.sign("dev-lead", "bo", "soon")
    assert office.verdict(DEV)[0] == "wrong_role"


@pytest.mark.parametrize(
    "damage", ["", "no signature", "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----"]
)
def test_what_is_no_signature_is_refused(office: Office, damage: str) -> None:
    office.manifest.with_name("1.4.2.yml.dev-lead.sig").write_text(damage)
    assert office.verdict(DEV)[0] == "not_a_signature"


def test_a_role_that_nobody_may_sign_for_is_refused(office: Office) -> None:
    (office.home / "signers" / "dev-lead").unlink()
    reason, message = office.verdict(DEV)
    assert (reason, "nobody may sign as Dev Lead" in message) == ("no_signers", True)


def test_roles_are_the_teams_own(office: Office) -> None:
    office.allow("site-reliability-dba", "kim")
    office.sign("site-reliability-dba", "kim")
    found = office.ask(roles=["Site Reliability & DBA"])
    assert (found["approved"], found["approvals"][0]["signer"]) == (True, "kim@example.com")


def test_a_manifest_that_is_not_there_is_an_error(office: Office) -> None:
    office.manifest.unlink()
    with pytest.raises(RollbackError, match=r"1\.4\.2\.yml cannot be read: No such file"):
        office.ask()


def test_the_playbook_waits_for_both(office: Office, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all: {hosts: {here: {ansible_connection: local}}}\n")

    def approve() -> subprocess.CompletedProcess[str]:
        argv = ["-i", str(inventory), "playbooks/approve.yml", "-e", "version=1.4.2"]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
        program = Path(sys.executable).parent / "ansible-playbook"
        return subprocess.run(
            [program, *argv], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    done = approve()
    assert done.returncode == 0, done.stdout
    assert "is approved by dana@example.com and bo@example.com" in done.stdout
    office.manifest.write_text(MANIFEST + "summary: changed\n")
    refused = approve()
    assert refused.returncode == 2
    assert "is not approved: DevOps Lead: 1.4.2.yml was changed since it was signed on" in refused.stdout
