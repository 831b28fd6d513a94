# SPDX-License-Identifier: GPL-3.0-or-later
"""The four answers a check can have, and how several become one."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """What a check found: never two-valued, because not knowing is neither good nor bad."""

    PASS = "pass"  # noqa: S105 -- no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


WORST_FIRST = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a whole: fail before error before inconclusive before pass; of nothing, inconclusive."""
    return min(verdicts, key=WORST_FIRST.index, default=Verdict.INCONCLUSIVE)


def combined(verdicts: Iterable[Verdict], quorum: str) -> Verdict:
    """One verdict of several members: ``any`` fails with its first failing member, ``all`` only if every one fails.

    With ``all`` one passing member is enough to pass; where none passes and not all fail, the rest decides.
    """
    found = list(verdicts)
    if quorum == "any" or not found or all(verdict is Verdict.FAIL for verdict in found):
        return worst(found)
    if Verdict.PASS in found:
        return Verdict.PASS
    return worst(verdict for verdict in found if verdict is not Verdict.FAIL)
