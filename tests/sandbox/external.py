# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Kubernetes and Vault servers instead of the emulators, when SANDBOX_EXTERNAL=1 and the environment names them.

KUBECONFIG                a cluster whose current context may create what is in shop/kubernetes
VAULT_ADDR, VAULT_TOKEN   a Vault with a KV v2 engine at secret/ (it is enabled if the token may); what is at
                          secret/<namespace>/app-config is deleted with its history, so that versions count from 1
SANDBOX_IMAGE_PREFIX      what stands before ``api-server:1.4.1`` and ``maintenance:1`` (default ``shop/``)
SANDBOX_HOST_ADDRESS      the address of this machine at which pods reach PostgreSQL; needed with KUBECONFIG
SANDBOX_NODE_ADDRESS      where NodePorts are reached from here (default: InternalIP of a ready node)
SANDBOX_NAMESPACE         default ``production``; also the folder of the configuration in Vault
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import hvac
from hvac.exceptions import Forbidden, InvalidRequest

from tests.sandbox.cluster import Cluster
from tests.sandbox.process import NotReady, wait_until

OURS = {"app.kubernetes.io/managed-by": "octalume-sandbox"}
KINDS = ("Deployment", "Service", "Secret", "ConfigMap", "RoleBinding", "Role", "ServiceAccount")
NAMES = ("api-server", "api-server-internal", "maintenance", "app-config", "prometheus")


@dataclass(frozen=True)
class External:
    """Which servers are real, and how pods and this machine reach each other."""

    kubeconfig: Path | None = None
    vault_address: str = ""
    vault_token: str = ""
    image_prefix: str = "shop/"
    host_address: str = ""
    node_address: str = ""
    namespace: str = "production"

    @property
    def real(self) -> bool:
        """Whether any server is one that was there before."""
        return bool(self.kubeconfig or self.vault_address)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> External:
        """Read the variables above; raises NotReady naming the one that is missing."""
        common = cls(namespace=environment.get("SANDBOX_NAMESPACE") or "production")
        if environment.get("SANDBOX_EXTERNAL", "0") in ("", "0"):
            return common
        kubeconfig, address = environment.get("KUBECONFIG", ""), environment.get("VAULT_ADDR", "")
        token, host = environment.get("VAULT_TOKEN", ""), environment.get("SANDBOX_HOST_ADDRESS", "")
        if not kubeconfig and not address:
            raise NotReady("SANDBOX_EXTERNAL=1 needs KUBECONFIG and/or VAULT_ADDR: no server is named")
        if kubeconfig and not Path(kubeconfig).is_file():
            raise NotReady(f"KUBECONFIG={kubeconfig} is no file; name one kubeconfig")
        if kubeconfig and not host:
            raise NotReady("KUBECONFIG needs SANDBOX_HOST_ADDRESS: the address of this machine as pods see it")
        if address and not token:
            raise NotReady("VAULT_ADDR needs VAULT_TOKEN")
        return cls(
            kubeconfig=Path(kubeconfig).absolute() if kubeconfig else None,
            vault_address=address,
            vault_token=token,
            image_prefix=environment.get("SANDBOX_IMAGE_PREFIX", "shop/"),
            host_address=host if kubeconfig else "",
            node_address=environment.get("SANDBOX_NODE_ADDRESS", ""),
            namespace=common.namespace,
        )


def prepare_namespace(cluster: Cluster) -> None:
    """An empty place: the namespace is made, or what an earlier sandbox left in it is taken away."""
    if cluster.get("Namespace", cluster.namespace):
        clear_namespace(cluster)
    if not cluster.get("Namespace", cluster.namespace):
        metadata = {"name": cluster.namespace, "labels": OURS}
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


def clear_namespace(cluster: Cluster) -> None:
    """Delete the sandbox's own objects, and the namespace too if a sandbox made it; wait until all are gone."""
    found = cluster.get("Namespace", cluster.namespace)
    if found is None:
        return
    for kind in KINDS:
        for name in NAMES:
            cluster.delete(kind, name)
    pods = "app in (api-server,maintenance)"
    wait_until(lambda: not cluster.items("Pod", pods), 120, f"end of the pods in {cluster.namespace}")
    if OURS.items() <= found["metadata"].get("labels", {}).items():
        cluster.delete("Namespace", cluster.namespace)
        gone = f"end of namespace {cluster.namespace}"
        wait_until(lambda: not cluster.get("Namespace", cluster.namespace), 120, gone)


def prepare_vault(client: hvac.Client, mount: str, path: str) -> None:
    """A KV v2 engine at ``mount`` where ``path`` has no versions yet."""
    with suppress(InvalidRequest, Forbidden):  # it is mounted already, or this token may not mount
        client.sys.enable_secrets_engine("kv", path=mount, options={"version": "2"})

    def emptied() -> bool:
        try:
            client.secrets.kv.v2.delete_metadata_and_all_versions(path, mount_point=mount)
        except InvalidRequest as error:  # a new engine says for a moment that it is still upgrading to version 2
            if "upgrading" not in str(error).lower():
                raise
            return False
        return True

    wait_until(emptied, 30, f"an empty {mount}/{path} in Vault")
