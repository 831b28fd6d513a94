# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a release manifest: every key known, every value of its type, every fault named with its place."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from typing import Any, TypeVar

from .._digest import content_digest
from .._module import RollbackError
from .model import Application, ClusterConfiguration, Content, Manifest

Record = TypeVar("Record")

# Semantic versions and the dated or prefixed ones teams use; nothing a shell, a path or a URL would read as more.
VERSION = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z_+-]|\.(?!\.)){0,62}[0-9A-Za-z]|[0-9A-Za-z]")
# RFC 1123 labels and subdomains, as Kubernetes names its objects.
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
KINDS = ("Deployment", "StatefulSet", "DaemonSet")


def check_version(text: str) -> str:
    """Return ``text`` if it can be a release's version; it becomes part of a file name and of messages."""
    if not VERSION.fullmatch(text):
        raise RollbackError(
            f"version {text!r} is not a release version: letters, digits and single . _ + - between them, "
            "64 characters at most, as in -e version=1.4.2"
        )
    return text


def parse_manifest(document: Any, source: str, version: str) -> Manifest:
    """Build the manifest of release ``version`` from a parsed YAML ``document`` read from ``source``."""
    manifest = _record(Manifest, document, source)
    manifest = replace(manifest, cluster_configurations=tuple(map(_completed, manifest.cluster_configurations)))
    problems = _contradictions(manifest, version)
    if problems:
        raise RollbackError(f"{source}: {'; '.join(problems)}")
    return manifest


def _completed(item: ClusterConfiguration) -> ClusterConfiguration:
    """With every digest filled in; a previous content that is the current one is written only once in a manifest."""
    current, previous = (_digested(item.kind, content) for content in (item.current, item.previous))
    if current and previous and previous.digest == current.digest and not _told(previous):
        previous = replace(current, immutable=previous.immutable)
    return replace(item, current=current, previous=previous)


def _digested(kind: str, content: Content | None) -> Content | None:
    if content is None or content.digest or kind != "ConfigMap":
        return content
    return replace(content, digest=content_digest(content.data, content.binary_data))


def _told(content: Content) -> bool:
    return bool(content.data or content.binary_data or content.encrypted)


def _contradictions(manifest: Manifest, version: str) -> list[str]:
    """What is well-formed but cannot be meant."""
    found = []
    if manifest.release != version:
        found.append(f"release is {manifest.release}, but the file is asked for as {version}")
    if manifest.previous == manifest.release:
        found.append(f"previous is {manifest.previous}, the release itself")
    if not manifest.components:
        found.append("no applications, databases or configurations: there is nothing to roll back")
    for release in (manifest.release, manifest.previous):
        if release is not None:
            check_version(release)
    for application in manifest.applications:
        found += _application_faults(application)
    names = {application.name for application in manifest.applications}
    for configuration in manifest.configurations:
        place = f"configurations: {configuration.path}"
        if any(number < 1 for number in (configuration.current, configuration.previous) if number is not None):
            found.append(f"{place}: versions count from 1 (0 and negative numbers mean the latest to Vault)")
        strangers = sorted(set(configuration.consumers) - names)
        found += [f"{place}: consumer {name} is no application" for name in strangers]
    for item in manifest.cluster_configurations:
        found += _cluster_faults(item, names)
    return found + manifest.misplaced()


def _application_faults(application: Application) -> list[str]:
    place, found = f"applications: {application.name}", []
    if application.kind not in KINDS:
        found.append(f"{place}: kind {application.kind} is none of {', '.join(KINDS)}")
    if not application.containers:
        found.append(f"{place}: no containers")
    for container in application.containers:
        if not container.current and not container.previous:
            found.append(f"{place}: container {container.name} has neither a current nor a previous image")
    for text in (application.name, application.namespace):
        if not NAME.fullmatch(text):
            found.append(f"{place}: {text!r} is not a Kubernetes name")
    return found


def _cluster_faults(item: ClusterConfiguration, applications: set[str]) -> list[str]:
    place, found = f"cluster_configurations: {item}", []
    if item.kind not in ("ConfigMap", "Secret"):
        found.append(f"{place}: kind {item.kind} is neither ConfigMap nor Secret")
    for text in (item.name, item.namespace):
        if not NAME.fullmatch(text):
            found.append(f"{place}: {text!r} is not a Kubernetes name")
    if item.current is None and item.previous is None:
        found.append(f"{place}: neither a current nor a previous content")
    for end, content in (("current", item.current), ("previous", item.previous)):
        if content is not None and item.kind == "Secret":
            if content.data or content.binary_data:
                found.append(f"{place}: {end}: a Secret's content is written encrypted only (ansible-vault)")
            elif not content.encrypted or not content.digest:
                found.append(f"{place}: {end}: digest and encrypted are wanted")
        if content is not None and item.kind == "ConfigMap":
            true = content_digest(content.data, content.binary_data)
            if content.digest != true:
                found.append(f"{place}: {end}: the content was changed since it was recorded: its digest is {true}")
    strangers = sorted(set(item.consumers) - applications)
    return found + [f"{place}: consumer {name} is no application" for name in strangers]


def _record(kind: type[Record], value: Any, place: str) -> Record:
    """Build dataclass ``kind`` from a mapping; unknown, missing and mistyped keys are told with their place."""
    if not isinstance(value, Mapping):
        raise RollbackError(f"{place}: a mapping is wanted here, not {_name(value)}")
    hints = typing.get_type_hints(kind)
    known = {item.name: item for item in fields(kind) if item.init}  # type: ignore[arg-type]
    unknown = sorted(str(key) for key in value if key not in known)
    if unknown:
        raise RollbackError(f"{place}: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
    missing = [name for name, item in known.items() if name not in value and _required(item)]
    if missing:
        raise RollbackError(f"{place}: {', '.join(missing)} missing")
    return kind(**{str(key): _value(hints[str(key)], item, f"{place}: {key}") for key, item in value.items()})


def _required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _value(hint: Any, value: Any, place: str) -> Any:
    """Convert ``value`` to the type ``hint`` of a dataclass field."""
    if typing.get_origin(hint) is tuple:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise RollbackError(f"{place}: a list is wanted here, not {_name(value)}")
        return tuple(_value(typing.get_args(hint)[0], item, f"{place}[{at}]") for at, item in enumerate(value))
    if typing.get_origin(hint) is Mapping:
        if not isinstance(value, Mapping):
            raise RollbackError(f"{place}: a mapping is wanted here, not {_name(value)}")
        inner = typing.get_args(hint)[1]
        return {str(key): _value(inner, item, f"{place}: {key}") for key, item in value.items()}
    if hint is Any:
        return value
    if isinstance(hint, types.UnionType):
        return None if value is None else _value(typing.get_args(hint)[0], value, place)
    if is_dataclass(hint) and isinstance(hint, type):
        return _record(hint, value, place)
    if hint is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    quote = "; put it in quotes" if hint is str and isinstance(value, float) else ""
    raise RollbackError(f"{place}: {hint.__name__} is wanted here, not {_name(value)}{quote}")


def _name(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__
