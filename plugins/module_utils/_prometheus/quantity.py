# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and thresholds as people write them: ``5m``, ``> 10%``, ``< 500ms``; and numbers as people read them."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from .._module import RollbackError

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|min|[smhdwy])\s*")

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
CONDITION = re.compile(rf"\s*(>=|<=|==|!=|>|<)\s*({NUMBER})\s*(%|ms|min|m|s|h|)\s*")
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
OPPOSITES = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
UNITS = ("ratio", "seconds", "bytes", "number")


def parse_duration(text: str | float, option: str) -> float:
    """Seconds of ``text``: a number of seconds or a Prometheus duration (``90s``, ``1h30m``, ``500ms``, ``5 min``)."""
    try:
        seconds = float(text)
    except ValueError:
        written = str(text).strip()
        parts = DURATION_PART.findall(written)
        if not parts or DURATION_PART.sub("", written):
            raise RollbackError(f"{option}: {text!r} is no duration; write seconds, or like 90s, 5m or 1h30m") from None
        seconds = sum(float(number) * SECONDS[unit] for number, unit in parts)
    if not 0 <= seconds < math.inf:
        raise RollbackError(f"{option}: {text!r} must be zero or more and finite")
    return seconds


@dataclass(frozen=True)
class Condition:
    """A comparison with a threshold in base units: ratio 0-1, seconds, bytes or a plain number."""

    operator: str
    threshold: float
    unit: str

    @classmethod
    def parse(cls, text: str, unit: str | None, option: str) -> Condition:
        """The condition written in ``text``; ``%`` makes it a ratio, a time unit seconds, else ``unit`` says."""
        match = CONDITION.fullmatch(text)
        if not match:
            raise RollbackError(
                f"{option}: {text!r} is no condition; write an operator, a number and where it has one its unit, "
                'in quotes: "> 10%", "< 500ms", ">= 3"'
            )
        sign, number, suffix = match.groups()
        written = {"": None, "%": "ratio"}.get(suffix, "seconds")
        if written and unit and written != unit:
            raise RollbackError(f"{option}: {text!r} is written in {written}, but unit says {unit}; make them agree")
        factor = 0.01 if suffix == "%" else SECONDS.get(suffix, 1)
        # Through a decimal text, so that 10 % is 0.1 and not 0.1 and a bit.
        return cls(sign, float(f"{float(number) * factor:.12g}"), written or unit or "number")

    def holds(self, value: float) -> bool:
        """Whether ``value`` is as the condition says."""
        return OPERATORS[self.operator](value, self.threshold)

    @property
    def opposite(self) -> Condition:
        """The condition that holds exactly where this one does not."""
        return Condition(OPPOSITES[self.operator], self.threshold, self.unit)

    def __str__(self) -> str:
        return f"{self.operator} {amount(self.threshold, self.unit)}"


def amount(value: float, unit: str) -> str:
    """``value`` for people: ``12.4 %``, ``350 ms``, ``5.2 s``, ``1.5 GiB``, ``0.25``."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"
    if unit == "ratio" and abs(value) < 1e300:
        return f"{value * 100:.4g} %"
    if unit == "seconds":
        return f"{value * 1000:.4g} ms" if 0 < abs(value) < 1 else f"{value:.4g} s"
    if unit == "bytes":
        size, names = value, ["B", "KiB", "MiB", "GiB", "TiB"]
        while abs(size) >= 1024 and len(names) > 1:
            size, names = size / 1024, names[1:]
        return f"{size:.4g} {names[0]}"
    return f"{value:.6g}"


def span(seconds: float) -> str:
    """A duration in Prometheus's notation: ``5m``, ``1h30m``, ``90s`` as ``1m30s``, ``500ms``."""
    rest, text = round(seconds * 1000), ""
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
