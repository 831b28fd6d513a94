# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a release manifest: every key known, every value of its type, every fault named with its place."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar

from .._module import RollbackError
from .model import Manifest

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
    problems = _contradictions(manifest, version)
    if problems:
        raise RollbackError(f"{source}: {'; '.join(problems)}")
    return manifest


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
        check_version(release)
    names = {application.name for application in manifest.applications}
    for application in manifest.applications:
        place = f"applications: {application.name}"
        if application.kind not in KINDS:
            found.append(f"{place}: kind {application.kind} is none of {', '.join(KINDS)}")
        if not application.containers:
            found.append(f"{place}: no containers")
        for text in (application.name, application.namespace):
            if not NAME.fullmatch(text):
                found.append(f"{place}: {text!r} is not a Kubernetes name")
    for configuration in manifest.configurations:
        place = f"configurations: {configuration.path}"
        if min(configuration.current, configuration.previous) < 1:
            found.append(f"{place}: versions count from 1 (0 and negative numbers mean the latest to Vault)")
        strangers = sorted(set(configuration.consumers) - set(names))
        found += [f"{place}: consumer {name} is no application" for name in strangers]
    return found


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
