# SPDX-License-Identifier: GPL-3.0-or-later
"""What has changed in the world since the release was recorded, and is neither the release nor its rollback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .._kubernetes.identity import fits_record
from .rollout import Observed

Recorded = Mapping[str, Any]


def drift(
    manifest: Mapping[str, Any],
    applications: Observed,
    databases: Observed,
    configurations: Observed,
    cluster_configurations: Observed,
) -> list[dict[str, Any]]:
    """One entry ``{component, name, what, recorded, live}`` for each thing that is not as the manifest has it.

    A manifest written by hand records less, and so less can be compared.
    """
    records = {_place(item): item for item in manifest.get("recorded") or ()}
    found = [entry for one in applications for entry in _application(one, records.get(_place(one), {}))]
    for wanted in manifest["databases"]:
        for database in databases:
            ends = [str(wanted[end]) for end in ("current", "previous")]
            if database["name"] == wanted["name"] and str(database["current"]) not in ends:
                found.append(_entry("database", wanted["name"], "migration", ends[0], database["current"]))
    for wanted, secret in zip(manifest["configurations"], configurations, strict=False):
        if secret["position"] == "other":
            found.append(_entry("configuration", secret["path"], "version", wanted["current"], secret["live_version"]))
    for item in cluster_configurations:
        if item["position"] in ("other", "missing"):
            name = f"{item['kind'].lower()}/{item['name']}"
            live = "missing" if item["position"] == "missing" else "another content"
            found.append(_entry("configuration", name, "content", "the release's", live))
    return found


def _application(live: Recorded, record: Recorded) -> Iterator[dict[str, Any]]:
    name = f"{live['kind'].lower()}/{live['name']}"
    if live["position"] == "other":
        yield _entry("application", name, "images", "the release's or the previous", _listed(live["images"].values()))
    if live["position"] != "release" or not record:
        return
    for container, image_id in (record.get("image_ids") or {}).items():
        running = {(pod.get("image_id") or {}).get(container) for pod in live.get("pods") or ()} - {None, "", image_id}
        if running:
            yield _entry("application", name, f"image of {container}", image_id, _listed(sorted(map(str, running))))
    replicas = max(live.get("recorded_replicas") or 0, live["replicas"])
    scaled = record.get("autoscaler")
    if not scaled and not live.get("hpa") and replicas != record["replicas"]:
        yield _entry("application", name, "replicas", record["replicas"], replicas)
    if _bounds(scaled) != _bounds(live.get("hpa")):
        yield _entry("application", name, "autoscaler", _bounds(scaled), _bounds(live.get("hpa")))
    template = record.get("template")
    if template and live.get("template") and not fits_record(live["template"], template):
        yield _entry("application", name, "pod template", "the recorded one", "another one")


def _bounds(scaler: Recorded | None) -> str:
    return f"{scaler['min']} to {scaler['max']}" if scaler else "none"


def _listed(items: Any) -> str:
    return ", ".join(items)


def _place(item: Recorded) -> Sequence[str]:
    return item["kind"], item["namespace"], item["name"]


def _entry(component: str, name: str, what: str, recorded: object, live: object) -> dict[str, Any]:
    return {
        "component": component,
        "name": name,
        "what": what,
        "recorded": str(recorded),
        "live": str(live),
        "message": f"{component} {name}: {what} is {live}, and was {recorded} when the release was recorded",
    }
