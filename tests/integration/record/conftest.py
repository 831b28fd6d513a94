# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload beside the shop whose image no release changes, but whose ConfigMap and Secret do."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.rollback.conftest import Operator, clean, operator
from tests.sandbox.fixtures import Sandbox

__all__ = ["clean", "operator"]
NAME = "banner"
PASSWORD = "a password of this test alone"


@dataclass
class Banner:
    """Deployment, ConfigMap and Secret of that name; its image is the maintenance page's."""

    sandbox: Sandbox
    folder: Path
    password: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    def create(self, text: str, licence: str) -> None:
        """Begin with this configuration."""
        self.configure(text, licence)
        cluster = self.sandbox.cluster
        template = cluster.get("Deployment", "maintenance")["spec"]["template"]
        container = template["spec"]["containers"][0]
        container["envFrom"] = [{"configMapRef": {"name": NAME}, "prefix": "BANNER_"}]
        reference = {"secretKeyRef": {"name": NAME, "key": "licence"}}
        container["env"] = [*container["env"], {"name": "LICENCE", "valueFrom": reference}]
        template["metadata"] = {"labels": {"app": NAME}}
        spec = {"replicas": 2, "selector": {"matchLabels": {"app": NAME}}, "template": template}
        meta = {"name": NAME, "namespace": cluster.namespace}
        cluster.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})
        cluster.wait_rollout(NAME)

    def configure(self, text: str, licence: str, *, binary: bytes = b"\x00\xff") -> None:
        """Give the ConfigMap and the Secret these contents, as a deployment does."""
        cluster = self.sandbox.cluster
        meta = {"name": NAME, "namespace": cluster.namespace}
        data = {"TEXT": text, "lines": f"first\n  second: {text}\n"}
        picture = {"picture": base64.b64encode(binary).decode()}
        cluster.replace(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data, "binaryData": picture}
        )
        encoded = {"licence": base64.b64encode(licence.encode()).decode()}
        cluster.replace({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": encoded})

    def restart(self, name: str = NAME) -> None:
        """Let the pods take what was configured, as ``kubectl rollout restart`` does."""
        annotations = {"kubectl.kubernetes.io/restartedAt": str(uuid.uuid4())}
        patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        cluster = self.sandbox.cluster
        cluster.call("PATCH", cluster.path("Deployment", name), patch, "application/merge-patch+json")
        cluster.wait_rollout(name)

    def contents(self) -> dict[str, Any]:
        """What ConfigMap and Secret hold."""
        found = {kind: self.sandbox.cluster.get(kind, NAME) or {} for kind in ("ConfigMap", "Secret")}
        return {kind: {key: item.get(key) for key in ("data", "binaryData")} for kind, item in found.items()}

    def revisions(self, app: str) -> int:
        """How many rollouts there were."""
        deployment = self.sandbox.cluster.get("Deployment", app)
        return int(deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"])

    def variables(self, **more: Any) -> tuple[str, str]:
        """``-e`` for record.yml and rollback.yml: this test's manifests, workloads and password."""
        namespace = self.sandbox.cluster.namespace
        words = {
            "plan_manifests": str(self.folder),
            "record_manifests": str(self.folder),
            "record_workloads": [{"name": name, "namespace": namespace} for name in ("api-server", NAME)],
            "plan_vault_password_file": str(self.password),
            **more,
        }
        return "-e", json.dumps(words)


@pytest.fixture
def banner(sandbox: Sandbox, operator: Operator, tmp_path: Path) -> Iterator[Banner]:  # noqa: ARG001 - it cleans first
    """The workload; gone afterwards."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    yield Banner(sandbox, tmp_path / "releases", password)
    for kind in ("Deployment", "ConfigMap", "Secret"):
        sandbox.cluster.delete(kind, NAME)
