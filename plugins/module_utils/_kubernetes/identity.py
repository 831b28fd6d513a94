# SPDX-License-Identifier: GPL-3.0-or-later
"""Says whether two images, or two pod templates, are the same thing."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

HASH_LABELS = ("pod-template-hash", "controller-revision-hash")
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
RESTART_ID = "rollback.octalume.io/restart-id"
QUIESCED = "rollback.octalume.io/quiesced"
"""Node selector that no node has: a DaemonSet has no replica count to set to 0."""

DEFAULTED = frozenset(
    {
        *("restartPolicy", "terminationGracePeriodSeconds", "dnsPolicy", "securityContext", "schedulerName"),
        *("serviceAccount", "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy", "resources"),
        *("requests", "protocol", "hostPort", "path", "scheme", "timeoutSeconds", "periodSeconds", "successThreshold"),
        *("failureThreshold", "service", "apiVersion", "defaultMode", "type"),
    }
)
"""Fields of a pod template that the API server fills in; any other one that a record does not have was not there."""


@dataclass(frozen=True)
class Image:
    """An image reference: ``repository[:tag][@digest]``."""

    repository: str
    tag: str | None
    digest: str | None


def parse_image(reference: str) -> Image:
    """Split ``reference``; names of Docker Hub are completed, a missing tag without a digest is ``latest``."""
    name, _at, digest = reference.removeprefix("docker-pullable://").partition("@")
    head, slash, last = name.rpartition("/")
    last, _colon, tag = last.partition(":")
    repository = head + slash + last
    first = repository.split("/", 1)[0]
    if not slash or not (set(".:") & set(first) or first == "localhost"):
        repository = "docker.io/" + (repository if slash else "library/" + repository)
    return Image(repository, tag or (None if digest else "latest"), digest or None)


def same_image(live: str | None, wanted: str | None, running: str | None = None) -> bool:
    """Whether ``live`` is the image ``wanted``; ``None`` means that there is no such container.

    Two digests decide alone: a digest is the content, whatever the registry. Otherwise repository and tag must be
    equal. ``running`` is the image id that pods of ``live`` report; it stands in for a digest ``live`` does not name.
    """
    if live is None or wanted is None:
        return live is wanted
    a, b = parse_image(live), parse_image(wanted)
    if a.digest and b.digest:
        return a.digest == b.digest
    if a.repository != b.repository:
        return False
    if b.digest and not b.tag:
        return bool(running) and parse_image(str(running)).digest == b.digest
    return a.tag is not None and a.tag == b.tag


def rebuilt(current: str | None, previous: str | None) -> bool:
    """Whether the two are builds of one tag that was moved (``latest``, ``stable``): only their digests differ."""
    if current is None or previous is None:
        return False
    a, b = parse_image(current), parse_image(previous)
    moved = a.digest is not None and b.digest is not None and a.digest != b.digest
    return moved and a.tag is not None and (a.repository, a.tag) == (b.repository, b.tag)


def same_build(live: str | None, wanted: str | None, running: str | None = None) -> bool:
    """Whether the digest of ``live``, or the one that its pods report, is the one of ``wanted``; no tag counts."""
    if live is None or wanted is None:
        return live is wanted
    digest = parse_image(live).digest or (parse_image(running).digest if running else None)
    return digest is not None and digest == parse_image(wanted).digest


def images_of(template: Mapping[str, Any]) -> dict[str, str]:
    """Image of each container of a pod template, init containers too (their names are unique among both)."""
    spec = template.get("spec") or {}
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return {container["name"]: container.get("image", "") for container in containers}


def without_hash(template: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a pod template without what controllers added to it."""
    clean: dict[str, Any] = copy.deepcopy(dict(template))
    clean.pop("$patch", None)
    labels = (clean.get("metadata") or {}).get("labels") or {}
    for label in HASH_LABELS:
        labels.pop(label, None)
    return clean


def as_written(template: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a pod template as its author wrote it: without what controllers, and a quiesce, added to it."""
    clean = without_hash(template)
    spec = clean.get("spec") or {}
    if QUIESCED in (spec.get("nodeSelector") or {}):
        del spec["nodeSelector"][QUIESCED]
        if not spec["nodeSelector"]:
            del spec["nodeSelector"]
    return clean


def comparable(template: Mapping[str, Any]) -> Any:
    """``template`` reduced to what makes pods differ: no hashes, no restart marks, no empty values."""
    clean = as_written(template)
    annotations = (clean.get("metadata") or {}).get("annotations") or {}
    for mark in (RESTARTED_AT, RESTART_ID):
        annotations.pop(mark, None)
    return _pruned(clean)


def same_revision(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether the server takes two templates for one revision: a restart mark makes a new one."""
    return bool(_pruned(without_hash(a)) == _pruned(without_hash(b)))


def fits_record(template: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Whether everything ``record`` says is so in ``template``, which may have the server's defaults besides."""
    return _covers(comparable(template), comparable(record))


def distinct(templates: Iterable[Mapping[str, Any]]) -> int:
    """How many different templates there are."""
    seen: list[Any] = []
    for template in templates:
        reduced = comparable(template)
        if reduced not in seen:
            seen.append(reduced)
    return len(seen)


def _pruned(value: Any) -> Any:
    if isinstance(value, Mapping):
        pruned = {key: _pruned(item) for key, item in value.items()}
        return {key: item for key, item in pruned.items() if item not in (None, {}, [])}
    return [_pruned(item) for item in value] if isinstance(value, list) else value


def _covers(whole: Any, part: Any) -> bool:
    if isinstance(part, Mapping):
        if not isinstance(whole, Mapping) or any(key not in DEFAULTED for key in set(whole) - set(part)):
            return False
        return all(key in whole and _covers(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(_covers, whole, part))
    return bool(whole == part)
