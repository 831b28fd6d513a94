# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server tells about itself: versions, groups, resources (plain and aggregated)."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from .kinds import GROUP_VERSIONS, KINDS, Kind

Object = dict[str, Any]
VERSION = {
    "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36", "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35", "gitVersion": "v1.36.2", "gitCommit": "sandbox", "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z", "goVersion": "python", "compiler": "cpython", "platform": "linux/amd64",
}  # fmt: skip
_SUBRESOURCE_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"), "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"), "attach": ("", "", "PodAttachOptions"),
    "exec": ("", "", "PodExecOptions"), "portforward": ("", "", "PodPortForwardOptions"),
}  # fmt: skip


def core_versions(address: str) -> Object:
    """``GET /api``."""
    cidrs = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": cidrs}


def group(name: str) -> Object:
    """One group of ``GET /apis``."""
    versions = [{"groupVersion": f"{g}/{v}", "version": v} for g, v in GROUP_VERSIONS if g == name]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def groups() -> Object:
    """``GET /apis``."""
    names = dict.fromkeys(g for g, _ in GROUP_VERSIONS)
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(name) for name in names]}


def of(group_name: str, version: str) -> list[Kind]:
    """The resources of a group's version."""
    found = [kind for kind in KINDS if (kind.group, kind.version) == (group_name, version)]
    return sorted(found, key=lambda kind: kind.plural)


def resources(group_name: str, version: str) -> Object:
    """``GET /apis/GROUP/VERSION``: every resource, then its subresources."""
    listed: list[Object] = []
    for kind in of(group_name, version):
        listed.append(_resource(kind))
        for name in sorted(kind.subresources):
            shown: Object = {"name": f"{kind.plural}/{name}", "singularName": "", "namespaced": kind.namespaced}
            if name in _SUBRESOURCE_KINDS:
                other_group, other_version, other = _SUBRESOURCE_KINDS[name]
                shown |= {"group": other_group, "version": other_version} if other_group else {}
                shown["kind"] = other
            else:
                shown["kind"] = {"proxy": f"{kind.kind}ProxyOptions"}.get(name, kind.kind)
            listed.append({**shown, "verbs": list(kind.subresources[name])})
    full = f"{group_name}/{version}" if group_name else version
    body: Object = {"kind": "APIResourceList", "groupVersion": full, "resources": listed}
    return {"kind": body.pop("kind"), "apiVersion": "v1", **body} if group_name else body


def _resource(kind: Kind) -> Object:
    shown: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
    }
    shown["verbs"] = list(kind.verbs)
    shown |= {"shortNames": list(kind.short)} if kind.short else {}
    shown |= {"categories": list(kind.categories)} if kind.categories else {}
    if "watch" in kind.verbs:
        path = f"{kind.group}/{kind.version}/{kind.kind}"
        shown["storageVersionHash"] = base64.b64encode(hashlib.sha256(path.encode()).digest()[:8]).decode()
    return shown


def aggregated(core: bool) -> Object:
    """The one-request discovery that kubectl prefers."""
    names = [""] if core else list(dict.fromkeys(g for g, _ in GROUP_VERSIONS))
    items = []
    for name in names:
        versions = ["v1"] if core else [v for g, v in GROUP_VERSIONS if g == name]
        shown = [
            {"version": v, "resources": [_aggregated(kind) for kind in of(name, v)], "freshness": "Current"}
            for v in versions
        ]
        items.append({"metadata": {"name": name} if name else {}, "versions": shown})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated(kind: Kind) -> Object:
    shown: Object = {
        "resource": kind.plural,
        "responseKind": {"group": "", "version": "", "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    shown |= {"shortNames": list(kind.short)} if kind.short else {}
    shown |= {"categories": list(kind.categories)} if kind.categories else {}
    subresources = []
    for name in sorted(kind.subresources):
        other_group, other_version, other = _SUBRESOURCE_KINDS.get(name, ("", "", kind.kind))
        answer = {"group": other_group, "version": other_version, "kind": other}
        subresources.append({"subresource": name, "responseKind": answer, "verbs": list(kind.subresources[name])})
    return {**shown, **({"subresources": subresources} if subresources else {})}
