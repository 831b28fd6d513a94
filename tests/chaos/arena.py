# SPDX-License-Identifier: GPL-3.0-or-later
"""A sandbox in which rollbacks are disturbed: brings a release out, begins a rollback, tells what the world is like.

A rollback in here waits for nothing that only time brings (no soak, no monitoring: there are no customers), so that
many fit into an hour. Everything else is as in production.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import hvac

from tests.sandbox import proof
from tests.sandbox.cluster import Cluster
from tests.sandbox.load import Load
from tests.sandbox.process import kill_tree
from tests.sandbox.releases import CONFIGURATION_OF, SHOP, Pipeline, Places, owner_environment, transaction

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
LIMIT = 240  # seconds for one playbook
VARIABLES: Mapping[str, Any] = {
    "condition": "security_vulnerability",
    "decided_by": "Security Lead: Kim Reyes",
    "reason": "A drill",
    "verification_monitoring": [],
    "application_soak": 0,
    "configuration_restart_soak": 0,
    "checklist_lock_seconds": 6,
}
MARKS = ("rollback.octalume.io/replicas", "rollback.octalume.io/hpa")
MANAGED = "app.kubernetes.io/managed-by=octalume.rollback"
WHOLE, APPLICATION = "whole", "application"
RELEASES = {WHOLE: ("1.4.1", "1.4.2"), APPLICATION: ("1.4.3", "1.4.4")}


@dataclass
class Run:
    """A playbook at work."""

    process: subprocess.Popen[str]
    log: Path

    def wait(self, limit: float = LIMIT) -> int:
        """Its exit status; ends it after ``limit`` seconds."""
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            kill_tree(self.process.pid)
            self.process.wait(10)
            raise AssertionError(f"not done within {limit:g} s:\n{self.output}") from None

    @property
    def output(self) -> str:
        """What it has printed."""
        return self.log.read_text(errors="replace")


class Arena:
    """One sandbox and the release that is rolled back in it again and again."""

    def __init__(self, endpoints: Mapping[str, Any], scratch: Path, scope: str = WHOLE) -> None:
        self.endpoints, self.scratch, self.scope = endpoints, scratch, scope
        self.directory = Path(endpoints["directory"])
        self.cluster = Cluster(Path(endpoints["kubernetes"]["kubeconfig"]), endpoints["namespace"])
        self.previous, self.release = RELEASES[scope]
        self.pipeline = Pipeline(Places.of(endpoints), lambda _line: None)
        self.runs = 0
        scratch.mkdir(parents=True, exist_ok=True)

    def furnish(self) -> None:
        """Bring the previous release out, and let customers order and log in for a moment."""
        self.tidy()
        self.pipeline.ship(self.previous)
        with Load(self.endpoints["shop"]["url"], self.scratch, 20):
            time.sleep(4)

    def deploy(self) -> None:
        """Bring the release out over the previous one, and write its manifest with the versions that are live."""
        before = proof.vault_version(self.endpoints)
        if self.scope == WHOLE:
            self.pipeline.ship(self.release)
        else:
            self.pipeline.roll_out(self.release)
        self._write_manifest(before, proof.vault_version(self.endpoints))
        with transaction(owner_environment(self.endpoints)) as cursor:  # none shall end by itself meanwhile
            cursor.execute("UPDATE sessions SET expires_at = now() + interval '1 day' WHERE expires_at > now()")
        self.rows = proof.rows(self.endpoints)
        self.secrets = self.read_secrets()

    def tidy(self) -> None:
        """What an earlier run may have left behind is gone, and the schema is that of the previous release."""
        for item in self.cluster.items("ConfigMap", MANAGED):
            self.cluster.delete("ConfigMap", item["metadata"]["name"])
        self.cluster.delete("Lease", "rollback-shop")
        service = {"metadata": {"annotations": {"rollback.octalume.io/selector": None}},
                   "spec": {"selector": {"app": "api-server"}}}  # fmt: skip
        path = self.cluster.path("Service", "api-server")
        if self.cluster.get("Service", "api-server"):
            self.cluster.call("PATCH", path, service, "application/merge-patch+json")
        if (
            self.scope == WHOLE
            and proof.query(self.endpoints, "SELECT to_regclass('loyalty_accounts') IS NOT NULL")[0][0]
        ):
            argv = [SHOP / "migrate.sh", "down", "--env", "sandbox", "--to-version", "41"]
            environment = {**os.environ, **owner_environment(self.endpoints)}
            subprocess.run(argv, env=environment, check=True, capture_output=True, timeout=60)
        self.forget()

    def forget(self) -> None:
        """Empty the mailboxes and the places of backups and papers; drop the records."""
        for item in self.cluster.items("ConfigMap", MANAGED):
            self.cluster.delete("ConfigMap", item["metadata"]["name"])
        for folder in ("smtp", "webhook", "backups"):
            for path in (self.directory / folder).glob("*"):
                if path.is_file():
                    path.unlink()
        for key in self._copies():
            self._s3().delete_object(Bucket=self.endpoints["s3"]["bucket"], Key=key)

    def start(self, playbook: str = "rollback", environment: Mapping[str, str] | None = None, **variables: Any) -> Run:
        """Begin a playbook."""
        self.runs += 1
        log = self.scratch / f"run{self.runs}.log"
        extra = json.dumps({**VARIABLES, **variables, "version": self.release, "plan_manifests": str(self.scratch)})
        with log.open("w") as output:
            process = subprocess.Popen(
                [BIN / "ansible-playbook", f"playbooks/{playbook}.yml", "-e", extra],
                cwd=ROOT,
                env={**self.environment(), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        return Run(process, log)

    def environment(self) -> dict[str, str]:
        """Variables of a playbook's process."""
        return {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "SANDBOX_DIR": str(self.directory),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "chaos",
        }

    def world(self) -> dict[str, Any]:
        """What a rollback leaves behind, in words that are the same for every rollback of this release."""
        deployment = self.cluster.get("Deployment", "api-server") or {}
        service = self.cluster.get("Service", "api-server") or {}
        lease = self.cluster.get("Lease", "rollback-shop") or {"spec": {}}
        after = proof.rows(self.endpoints)
        lost = [
            (table, key)
            for table, known in self.rows.items()
            for key, row in known.items()
            if after[table].get(key) != row
        ]
        live, secrets = proof.vault_version(self.endpoints), self.read_secrets()
        kept = {one: data for one, data in self.secrets.items() if one > live - 9}  # Vault itself prunes the rest
        return {
            "image": deployment["spec"]["template"]["spec"]["containers"][0]["image"],
            "replicas": deployment["spec"]["replicas"],
            "ready": deployment["status"].get("readyReplicas"),
            "marks": [mark for mark in MARKS if mark in deployment["metadata"].get("annotations", {})],
            "maintenance": service["spec"]["selector"] != {"app": "api-server"},
            "lock holder": lease["spec"].get("holderIdentity"),
            "records": sorted(record["status"] for record in self.records()),
            "steps": sorted({step["status"] for record in self.records() for step in record["steps"]}),
            "schema": proof.query(self.endpoints, "SELECT max(version) FROM schema_migrations")[0][0],
            "rows lost": lost,
            "copies of databases": proof.query(self.endpoints, "SELECT count(*) FROM pg_database")[0][0],
            "new secret versions": live - max(self.secrets),
            "secret as before": secrets[live] == self.secrets[self.versions[0]],
            "secret versions lost": [one for one, data in kept.items() if secrets.get(one) != data],
            "notices": self.notices(),
            "backups": len(list((self.directory / "backups").glob("*.dump"))),
            "unfinished backups": len(list((self.directory / "backups").glob(".*.partial*"))),
            "copies of backups": len([key for key in self._copies() if key.endswith(".dump")]),
        }  # fmt: skip

    def records(self) -> list[dict[str, Any]]:
        """The run records of this release."""
        found = self.cluster.items("ConfigMap", f"{MANAGED},app.kubernetes.io/component=run-record")
        return [json.loads(item["data"]["record.json"]) for item in found]

    def notices(self) -> dict[str, int]:
        """How often each notice arrived, by channel and event."""
        counts: dict[str, int] = {}
        for folder, pattern in (("smtp", r"X-Rollback-Event: (\w+)"), ("webhook", r'"event": "(\w+)"')):
            for path in sorted((self.directory / folder).glob("[0-9]*")):
                for event in re.findall(pattern, path.read_text(errors="replace"))[:1]:
                    counts[f"{folder} {event}"] = counts.get(f"{folder} {event}", 0) + 1
        return counts

    def read_secrets(self) -> dict[int, Any]:
        """Every version that can be read, by number."""
        vault = self.endpoints["vault"]
        secrets = hvac.Client(vault["address"], vault["token"], timeout=10).secrets.kv.v2
        place = {"path": vault["path"], "mount_point": vault["mount"]}
        known = secrets.read_secret_metadata(**place)["data"]["versions"]
        return {
            int(version): secrets.read_secret_version(**place, version=int(version), raise_on_deleted_version=True)[
                "data"
            ]["data"]
            for version in sorted(known, key=int)
        }

    def _write_manifest(self, previous: int, current: int) -> None:
        """The release's manifest, with the numbers that its configuration has in this Vault."""
        self.versions = (previous, current)
        text = (ROOT / "inventories/sandbox/releases/1.4.2.yml").read_text()
        text = text.replace("1.4.2", self.release).replace("1.4.1", self.previous)
        number = CONFIGURATION_OF["1.4.2"]
        text = text.replace(f"current: {number}", f"current: {current}")
        text = text.replace(f"previous: {number - 1}", f"previous: {previous}")
        if self.scope == APPLICATION:
            text = text.partition("databases:")[0]
        (self.scratch / f"{self.release}.yml").write_text(text)

    def _s3(self) -> Any:
        s3 = self.endpoints["s3"]
        keys = {"aws_access_key_id": s3["access_key"], "aws_secret_access_key": s3["secret_key"]}
        return boto3.client("s3", endpoint_url=s3["url"], region_name="us-east-1", **keys)

    def _copies(self) -> list[str]:
        answer = self._s3().list_objects_v2(Bucket=self.endpoints["s3"]["bucket"])
        return [item["Key"] for item in answer.get("Contents", [])]
