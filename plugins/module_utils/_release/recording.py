# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds out what ran before a release, and who says what, and composes the release's manifest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from .._configuration.arguments import configurations_from
from .._module import RollbackError
from .model import Manifest
from .restore_point import Found, Observed, State, compose, state_before, state_from_history, state_of
from .writing import earlier_manifest, manifest_if_any

SECTIONS = ("applications", "databases", "configurations", "cluster_configurations")


def compose_for(params: Mapping[str, Any], directory: Path, caller: str) -> tuple[Manifest | None, Manifest]:
    """The manifest there is, if any, and the one that the arguments of M(octalume.rollback.release_manifest) make.

    What the pipeline does not say is taken from the manifest there is, then from the earlier one.
    """
    version, workloads = params["version"], params["workloads"]
    existing = manifest_if_any(directory, version)
    previous, before, earlier = _before(params["previous"], existing, directory, version, workloads)
    service = params["service"] or _of(existing, "service") or _of(earlier, "service")
    if not service:
        raise RollbackError("how is the service called? No earlier manifest says it: -e record_service=NAME")
    header = {
        "release": version,
        "previous": previous,
        "service": service,
        "document": params["document"] or _of(existing, "document") or _document(version),
        "author": params["author"] or _of(existing, "author") or caller.partition("/")[0],
        "summary": params["summary"] or _of(existing, "summary") or "",
    }
    breaking = {item.name: item.breaking for item in (existing.databases if existing else ())}
    databases = [
        {**item, "breaking": breaking.get(item["name"], True) if item["breaking"] is None else item["breaking"]}
        for item in params["databases"]
    ]
    configured = configurations_from(params["cluster_configurations"])
    observed = Observed(workloads, databases, params["configurations"], configured)
    return existing, compose(header, observed, before)


def _before(
    given: str | None, existing: Manifest | None, directory: Path, version: str, workloads: Sequence[Found]
) -> tuple[str | None, State | None, Manifest | None]:
    """The release before, its state, and its manifest; all ``None`` for a baseline."""
    if not given and not existing:
        earlier = earlier_manifest(directory, version, workloads)
        return (earlier.release, state_of(earlier), earlier) if earlier else (None, None, None)
    previous = given or _of(existing, "previous")
    if not previous:
        return None, None, None
    earlier = manifest_if_any(directory, previous)
    if earlier:
        return previous, state_of(earlier), earlier
    if existing and existing.previous == previous:
        return previous, state_before(existing), None
    return previous, state_from_history(workloads), None


def _document(version: str) -> str:
    return "P7-ROLLBACK-" + re.sub("[^0-9A-Za-z]", "", version)


def _of(manifest: Manifest | None, name: str) -> str | None:
    value: str | None = getattr(manifest, name) if manifest else None
    return value


def brought(manifest: Manifest) -> list[str]:
    """What nothing is known about from before the release, so that a rollback leaves it as it is."""
    found = [f"{item.kind.lower()}/{item.name}" for item in manifest.applications if not _known(item.containers)]
    found += [f"database {item.name}" for item in manifest.databases if item.previous is None]
    found += [f"configuration {item.path}" for item in manifest.configurations if item.previous is None]
    return found + [str(item) for item in manifest.cluster_configurations if item.previous is None]


def _known(containers: Sequence[Any]) -> bool:
    return any(container.previous is not None for container in containers)


def undoable(manifest: Manifest) -> Manifest:
    """The manifest without what the release brought: what a rollback has to do with.

    Raises :class:`RollbackError` for a baseline, and for a secret whose copy would have no place any more.
    """
    if manifest.previous is None:
        raise RollbackError(
            f"release {manifest.release} is the first that was recorded: no release before it is known, so it cannot "
            "be rolled back"
        )
    kept: dict[str, Any] = {
        "applications": tuple(item for item in manifest.applications if _known(item.containers)),
        **{
            section: tuple(item for item in getattr(manifest, section) if item.previous is not None)
            for section in SECTIONS[1:]
        },
    }
    left = replace(manifest, **kept)
    if left.misplaced():
        raise RollbackError(
            f"release {manifest.release} cannot be rolled back as its manifest is: {left.misplaced()[0]}"
        )
    return left


def differences(before: Manifest, after: Manifest) -> list[str]:
    """Names of the parts of two manifests that differ."""
    names = [item.name for item in fields(Manifest) if item.init]
    return [name for name in names if getattr(before, name) != getattr(after, name)]
