# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON paths, by the library jsonpath-ng."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._module import RollbackError

try:
    from jsonpath_ng.exceptions import JSONPathError
    from jsonpath_ng.ext import parser
except ImportError:  # pragma: no cover - the sanity tests import every file without the libraries
    parser = None  # type: ignore[assignment]


@dataclass(frozen=True)
class JsonPath:
    """A compiled path and the text it was made from."""

    text: str
    compiled: Any

    @classmethod
    def parse(cls, text: str, option: str) -> JsonPath:
        """Compile ``text``; the error names ``option``."""
        if parser is None:
            raise RollbackError(
                "the Python library jsonpath-ng is missing on this machine; type: python -m pip install jsonpath-ng"
            )
        try:
            return cls(text, parser.parse(text))
        except JSONPathError as error:
            raise RollbackError(f"{option}: {text!r} is no JSON path ({error}); write like $.items[0].name") from None

    def find(self, document: Any) -> list[Any]:
        """Every value at this path."""
        return [match.value for match in self.compiled.find(document)]
