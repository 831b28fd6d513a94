# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes release manifests: text that reads well, in one step or not at all, and never over a signed one."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from .._module import RollbackError
from .client import read_manifest
from .model import Manifest
from .plan import VERSION, parse_manifest
from .restore_point import Found, fits, order

try:
    import yaml
except ImportError:
    yaml = None  # type: ignore[assignment]

HEADING = """\
---
# Restore point of release {release}, recorded from the live world by record.yml.
# What a rollback goes back to is under "previous"; what the next release comes back to, under "current" and "recorded".
"""
WIDTH = 120
HIDDEN = "(encrypted)"


def manifests(directory: Path) -> list[str]:
    """Releases that have a manifest, newest first."""
    names = [file.stem for file in directory.glob("*.yml")] if directory.is_dir() else []
    return sorted((name for name in names if VERSION.fullmatch(name)), key=order, reverse=True)


def manifest_if_any(directory: Path, version: str) -> Manifest | None:
    """The manifest of ``version``, if there is a file of it."""
    return read_manifest(directory, version)[0] if (directory / f"{version}.yml").is_file() else None


def earlier_manifest(directory: Path, version: str, workloads: Sequence[Found]) -> Manifest | None:
    """The newest earlier manifest that the cluster's history does not contradict; ``None`` if there is none at all.

    Raises :class:`RollbackError` when there are some and none fits.
    """
    earlier = [name for name in manifests(directory) if order(name) < order(version)]
    for name in earlier:
        manifest = read_manifest(directory, name)[0]
        if fits(manifest, workloads):
            return manifest
    if earlier:
        before = "; ".join(
            f"{item['name']} ran {', '.join(item['preceding'].values())}" for item in workloads if item.get("preceding")
        )
        raise RollbackError(
            f"which release ran before {version} is not clear: {before}, and no manifest in {directory} says so "
            f"({', '.join(earlier)}); say it: -e record_previous=VERSION"
        )
    return None


def render(manifest: Manifest, *, hide: bool = False) -> str:
    """The manifest as YAML; with ``hide``, for a diff, without what is encrypted."""
    if yaml is None:
        raise RollbackError("the Python library PyYAML is missing: pip install pyyaml")
    # Through JSON, as Ansible's own kinds of texts and numbers are none that YAML can write.
    document = json.loads(json.dumps(_plain(manifest)))
    for item in document.get("cluster_configurations", ()):
        _once(item, hide=hide)
    text: str = yaml.dump(document, Dumper=_dumper(), sort_keys=False, width=WIDTH, allow_unicode=True)
    return HEADING.format(release=manifest.release) + text


def _once(item: dict[str, Any], *, hide: bool) -> None:
    """Leave out the previous content where it is the current one."""
    current, previous = item["current"], item["previous"]
    if current and previous and current["digest"] == previous["digest"]:
        item["previous"] = {key: previous[key] for key in ("digest", "immutable") if key in previous}
    for content in (current, item["previous"]):
        if hide and content and "encrypted" in content:
            content["encrypted"] = HIDDEN


def _plain(value: Any) -> Any:
    """Dataclasses as mappings without what is at its default."""
    if is_dataclass(value) and not isinstance(value, type):
        return dict(_entries(value))
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _entries(record: Any) -> Iterator[tuple[str, Any]]:
    for item in fields(record):
        value = getattr(record, item.name)
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        if item.init and (value != default or item.name == "kind"):
            yield item.name, _plain(value)


def _dumper() -> Any:
    """A dumper that indents lists, writes texts of several lines as such, and never an anchor."""

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, _data: Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
            super().increase_indent(flow, False)

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return Dumper


def written_as(manifest: Manifest, path: Path) -> str:
    """The file's text, read back to see that it says the same. Raises :class:`RollbackError` if it does not."""
    text = render(manifest)
    if parse_manifest(yaml.safe_load(text), str(path), manifest.release) != manifest:
        raise RollbackError(f"{path}: the manifest does not read back as it was meant; nothing was written")
    return text


def signatures(path: Path) -> list[Path]:
    """Signatures beside a manifest: ``1.4.2.yml.sig``, or several with a name between."""
    return sorted(path.parent.glob(f"{path.name}*.sig"))


def refuse_signed(path: Path, differing: Sequence[str] = ()) -> None:
    """Raise if ``path`` is signed: it was approved as it is. ``differing`` names the parts to be written anew."""
    signed = signatures(path)
    if signed:
        raise RollbackError(
            f"{path} differs from what is live now{' in ' if differing else ''}{', '.join(differing)}, and is signed "
            f"({', '.join(one.name for one in signed)}), so it was not overwritten. If the live world is right, take "
            "the signature away, record again, and have it signed again",
            signatures=[str(one) for one in signed],
        )


def write(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in one step: whoever reads, and a crash, finds the old or the new file, whole."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            refuse_signed(path)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise RollbackError(f"{path} cannot be written: {error.strerror}") from error
