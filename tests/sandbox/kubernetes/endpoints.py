# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods stand behind a Service: Endpoints and EndpointSlices."""

from __future__ import annotations

from typing import Any

from .controller import Controller
from .kinds import ENDPOINT_SLICE, ENDPOINTS, NAMESPACE, POD, SERVICE
from .meta import copy, now, owner_reference, pod_is_ready
from .probes import port_of
from .store import Change

Object = dict[str, Any]


_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"


class EndpointsController(Controller):
    """Keeps one Endpoints object and one EndpointSlice for each Service with a selector."""

    kind = SERVICE

    def changed(self, change: Change) -> None:
        """A pod came, went or changed its readiness: told at once, so that no connection goes to a pod that leaves."""
        if change.key != POD.key:
            return
        labels = [(found or {}).get("metadata", {}).get("labels", {}).items() for found in (change.new, change.old)]
        for service in self.store.list(SERVICE, change.new["metadata"]["namespace"]):
            selector = (service["spec"].get("selector") or {}).items()
            if selector and any(selector <= held for held in labels):
                self.reconcile(service)

    def reconcile(self, item: Object) -> None:
        """Write both from the pods that match; not in a namespace that goes, which would refuse them."""
        selector = (item["spec"].get("selector") or {}).items()
        namespace = self.store.find(NAMESPACE, "", item["metadata"]["namespace"])
        if not selector or namespace is None or "deletionTimestamp" in namespace["metadata"]:
            return
        if self.store.find(SERVICE, item["metadata"]["namespace"], item["metadata"]["name"]) is None:
            return
        pods = [
            pod
            for pod in self.store.list(POD, item["metadata"]["namespace"])
            if selector <= pod["metadata"].get("labels", {}).items()
            and pod["status"].get("podIP")
            and pod["status"].get("phase") not in ("Succeeded", "Failed")
        ]
        self._write_endpoints(item, [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]])
        self._write_slice(item, pods)

    def _write_endpoints(self, service: Object, pods: list[Object]) -> None:
        metadata = service["metadata"]
        subsets = []
        groups = {
            "addresses": [p for p in pods if pod_is_ready(p)],
            "notReadyAddresses": [p for p in pods if not pod_is_ready(p)],
        }
        subset: Object = {key: [_address(pod) for pod in found] for key, found in groups.items() if found}
        if subset:
            subset["ports"] = [_port(port, pods[0]) for port in service["spec"].get("ports", [])]
            subsets.append(subset)
        held = self.store.find(ENDPOINTS, metadata["namespace"], metadata["name"])
        wanted: Object = copy(held) if held else {
            "kind": "Endpoints", "apiVersion": "v1",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        }  # fmt: skip
        wanted["metadata"]["labels"] = {
            **metadata.get("labels", {}),
            "endpoints.kubernetes.io/managed-by": "endpoint-controller",
        }
        wanted.pop("subsets", None)
        if subsets:
            wanted["subsets"] = subsets
        if held is None:
            wanted["metadata"]["ownerReferences"] = [owner_reference(service)]
            self.registry.create(ENDPOINTS, wanted)
        elif wanted != held:
            self.store.update(ENDPOINTS, wanted)

    def _write_slice(self, service: Object, pods: list[Object]) -> None:
        metadata = service["metadata"]
        label = {"kubernetes.io/service-name": metadata["name"]}
        every = self.store.list(ENDPOINT_SLICE, metadata["namespace"])
        held = next((found for found in every if label.items() <= found["metadata"].get("labels", {}).items()), None)
        wanted: Object = copy(held) if held else {
            "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
            "metadata": {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"],
                         "labels": {_MANAGED_BY: "endpointslice-controller.k8s.io", **label},
                         "ownerReferences": [owner_reference(service)]},
        }  # fmt: skip
        wanted["endpoints"] = [_endpoint(pod) for pod in pods]
        ports = service["spec"].get("ports", [])
        first = pods[0] if pods else None
        wanted["ports"] = [{"name": "", **_port(port, first), "protocol": port["protocol"]} for port in ports]
        if held is None:
            self.registry.create(ENDPOINT_SLICE, wanted)
        elif (wanted["endpoints"], wanted["ports"]) != (held.get("endpoints"), held.get("ports")):
            changed = {"endpoints.kubernetes.io/last-change-trigger-time": now()}
            wanted["metadata"].setdefault("annotations", {}).update(changed)
            self.registry.update(ENDPOINT_SLICE, wanted)


def _address(pod: Object) -> Object:
    reference = {"kind": "Pod", "namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"]}
    reference["uid"] = pod["metadata"]["uid"]
    return {"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": reference}


def _endpoint(pod: Object) -> Object:
    ready, leaving = pod_is_ready(pod), "deletionTimestamp" in pod["metadata"]
    conditions = {"ready": ready and not leaving, "serving": ready, "terminating": leaving}
    address = _address(pod)
    found = {"addresses": [address["ip"]], "conditions": conditions, "targetRef": address["targetRef"]}
    return found | {"nodeName": address["nodeName"]}


def _port(port: Object, pod: Object | None) -> Object:
    target = port["targetPort"]
    if isinstance(target, str) and not target.isdigit():
        containers = pod["spec"]["containers"] if pod else []
        target = next((found for spec in containers if (found := port_of(target, spec))), 0)
    named = {"name": port["name"]} if port.get("name") else {}
    return {**named, "port": int(target), "protocol": port["protocol"]}
