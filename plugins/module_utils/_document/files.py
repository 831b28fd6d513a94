# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes the papers on disk; a reader sees the old file or the new one, never half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .._module import RollbackError

MODE, FOLDER_MODE = 0o640, 0o750


def read(path: Path) -> bytes | None:
    """What a file holds; None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RollbackError(f"{path} cannot be read: {error.strerror}") from error


def differing(contents: Mapping[Path, bytes]) -> list[Path]:
    """The files that do not hold what they should."""
    return [path for path, content in contents.items() if read(path) != content]


def write(path: Path, content: bytes) -> None:
    """Write one file, making its folder where there is none."""
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).chmod(MODE)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise RollbackError(f"{path} cannot be written: {error.strerror}") from error
