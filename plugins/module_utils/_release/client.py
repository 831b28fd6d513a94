# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads release manifests from the ``releases`` folder of an inventory."""

from __future__ import annotations

import hashlib
import traceback
from pathlib import Path

from .._module import RollbackError
from .model import Manifest
from .plan import check_version, parse_manifest

try:
    import yaml
except ImportError:
    yaml = None  # type: ignore[assignment]
    YAML_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    YAML_IMPORT_ERROR = None

LARGEST = 1024 * 1024  # bytes; a manifest is a page of text


def read_manifest(directory: Path, version: str) -> tuple[Manifest, Path, str]:
    """Return the manifest of ``version`` in ``directory``, its path and its SHA-256."""
    check_version(version)
    if yaml is None:
        raise RollbackError("the Python library PyYAML is missing: pip install pyyaml", exception=YAML_IMPORT_ERROR)
    path = directory / f"{version}.yml"
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        known = sorted(file.stem for file in directory.glob("*.yml")) if directory.is_dir() else []
        listed = f"known here: {', '.join(known)}" if known else "there is none at all"
        raise RollbackError(f"no manifest for release {version} in {directory} ({listed})", known=known) from None
    except OSError as error:
        raise RollbackError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise RollbackError(f"{path} is larger than {LARGEST} bytes: not a release manifest")
    try:
        document = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise RollbackError(f"{path} is not YAML: {error}") from error
    return parse_manifest(document, str(path), version), path, hashlib.sha256(content).hexdigest()
