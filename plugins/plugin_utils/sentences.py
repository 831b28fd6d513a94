# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what a module found in a few words, for the line of a task and for the timeline of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._release.lock import Holder

Result = Mapping[str, Any]
PREFIX = "octalume.rollback."


def sentence(module: str, result: Result) -> str:
    """What ``result`` of ``module`` says; empty where there is nothing to say. Never raises for an odd result."""
    say = SENTENCES.get(module.removeprefix(PREFIX))
    if say is None or result.get("failed") or result.get("skipped"):
        return ""
    items = result["results"] if isinstance(result.get("results"), list) else [result]
    try:
        said = [say(item) for item in items if not item.get("skipped") and not item.get("failed")]
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        return ""
    return "; ".join(filter(None, said))


def size(count: float) -> str:
    """Bytes in the unit a person would use."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def _each(items: Iterable[Result], words: Callable[[Result], str]) -> str:
    return ", ".join(words(item) for item in items)


def _manifest(result: Result) -> str:
    manifest = result["manifest"]
    return f"{manifest['service']} {manifest['release']} -> {manifest['previous']} ({manifest['document']})"


def _records(result: Result) -> str:
    return f"record {result['unfinished']['id']} is taken up again" if result["unfinished"] else "none"


def _live(result: Result) -> str:
    return _each(
        result["workloads"],
        lambda item: f"{item['name']}: {', '.join(item['images'].values())}, {item['ready']}/{item['replicas']} ready",
    )


def _rolled(result: Result) -> str:
    return _each(
        result["workloads"],
        lambda item: (
            f"{item['name']}: {', '.join(item['after']['images'].values())}, "
            f"{item['before']['replicas']} -> {item['after']['replicas']} replicas"
        ),
    )


def _rights(result: Result) -> str:
    return f"{len(result['asked'])} rights, {len(result['missing']) or 'none'} missing"


def _migration(result: Result) -> str:
    loss = (result.get("loss") or {}).get("rows")
    lost = f", {loss} rows and values would be lost" if loss else ""
    return f"migration {result['current']}" + (f", {len(result['steps'])} down{lost}" if result["steps"] else "")


def _downgrade(result: Result) -> str:
    return f"migration {result['from']} -> {result['to']}"


def _secrets_seen(result: Result) -> str:
    return _each(
        result["secrets"],
        lambda item: (
            f"{item['path']}: version {item['live_version']}, "
            f"{'same data as' if item['equal'] else 'differs from'} {item['target_version']}"
        ),
    )


def _secrets_restored(result: Result) -> str:
    return _each(
        result["secrets"],
        lambda item: f"{item['path']}: version {item['to_version']} has the data of {item['restored_version']}",
    )


def _left(result: Result) -> str:
    if not result["pending"]:
        return "nothing"
    return f"{len(result['steps'])} steps, {result['strategy']}: {result['reason']}"


def _checks(result: Result) -> str:
    return _each(result["checks"], lambda item: f"{item['name']}: {item['verdict']}")


def _probes(result: Result) -> str:
    return _each(result["targets"], lambda item: f"{item['url']}: {item['verdict']}")


def _backup(result: Result) -> str:
    backup = result["backup"]
    if "size" not in backup:
        return str(backup["path"])
    proof = backup.get("proof") or {}
    return f"{backup['database']}: {size(backup['size'])}, proven by {proof.get('level', 'nothing')}"


def _configuration(result: Result) -> str:
    return _each(
        result["targets"],
        lambda item: (
            f"{item.get('name') or item.get('secret')}: {len(item['matched'])} keys match"
            + (f" in {item['pods']} pods" if item.get("pods") else "")
        ),
    )


def _smoke(result: Result) -> str:
    return f"{result['passed']} of {len(result['tests'])} pass"


def _checklist(result: Result) -> str:
    items = result["checklist"]
    taken = [f"{item['name']} taken on by {item['who']}" for item in items if item["who"]]
    ready = sum(item["state"] == "ready" for item in items)
    return "; ".join([f"{ready} of {len(items)} items are so", *taken])


def _images(result: Result) -> str:
    return _each(result["images"], lambda item: f"{item['image']}: {item['verdict']}")


def _deliveries(result: Result) -> str:
    return _each(result["deliveries"], lambda item: f"{item['channel']}: {item['verdict']}")


SENTENCES: Mapping[str, Callable[[Result], str]] = {
    "http_probe_info": _probes,
    "k8s_configuration_info": _configuration,
    "k8s_permissions_info": _rights,
    "k8s_rollout": _rolled,
    "k8s_rollout_info": _live,
    "migration_downgrade": _downgrade,
    "migration_info": _migration,
    "notice": _deliveries,
    "postgres_backup": _backup,
    "postgres_validate_info": _checks,
    "prometheus_threshold_info": _checks,
    "registry_image_info": _images,
    "release_manifest_info": _manifest,
    "rollback_checklist_info": _checklist,
    "rollback_decision_info": lambda result: str(result["decision"]["reason"]),
    "rollback_lock": lambda result: result["holder"] and Holder.parse(str(result["holder"])).told,
    "rollback_maintenance": lambda result: "on" if result["enabled"] else "off",
    "rollback_plan_info": _left,
    "rollback_record_info": _records,
    "smoke_test": _smoke,
    "vault_kv2_rollback": _secrets_restored,
    "vault_kv2_rollback_info": _secrets_seen,
}
