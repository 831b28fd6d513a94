# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that are subresources: eviction of a pod, a token for a ServiceAccount."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from . import errors, selectors
from .access import ISSUER, Access
from .call import Call
from .cluster import Cluster
from .kinds import PDB, POD
from .meta import in_seconds, now

Object = dict[str, Any]


async def evict(cluster: Cluster, call: Call) -> web.Response:
    """Delete a pod unless a disruption budget forbids it (429)."""
    body = await call.body()
    pod = cluster.store.get(POD, call.namespace, call.name)
    options = body.get("deleteOptions") or {}
    for budget in cluster.store.list(PDB, call.namespace):
        covers = selectors.from_spec(budget["spec"].get("selector"))(selectors.labels_of(pod))
        status = budget.get("status", {})
        if covers and "deletionTimestamp" not in pod["metadata"] and status.get("disruptionsAllowed", 0) <= 0:
            needs, has = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
            text = (
                f"The disruption budget {budget['metadata']['name']} needs {needs} healthy pods and has {has} currently"
            )
            causes = {"causes": [{"reason": "DisruptionBudget", "message": text}]}
            refusal = "Cannot evict pod as it would violate the pod's disruption budget."
            raise errors.ApiError(429, "TooManyRequests", refusal, causes)
    cluster.registry.delete(POD, pod, options, dry_run=call.dry_run or options.get("dryRun") == ["All"])
    return call.answer(errors.success(code=201), 201)


async def token(access: Access, cluster: Cluster, call: Call) -> web.Response:
    """TokenRequest: a token that ends."""
    body = await call.body()
    account = cluster.store.get(call.kind, call.namespace, call.name)
    seconds = (body.get("spec") or {}).get("expirationSeconds") or 3600
    metadata = {key: account["metadata"][key] for key in ("name", "namespace", "uid")} | {"creationTimestamp": now()}
    spec = {"audiences": [ISSUER], "expirationSeconds": seconds, "boundObjectRef": None}
    status = {"token": access.issue(account, seconds), "expirationTimestamp": in_seconds(seconds)}
    answer = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
    return call.answer({**answer, "metadata": metadata, "spec": spec, "status": status}, 201)
