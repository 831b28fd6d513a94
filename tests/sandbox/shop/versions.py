# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the releases of the shop, in one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A defect that shows on every n-th request of one process (0: never), so that a run can be repeated.

    ``error_every``: answers 500; ``slow_every``: takes ``slow_seconds`` more; ``unhealthy_every``: /health answers 503.
    """

    error_every: int = 0
    slow_every: int = 0
    slow_seconds: float = 0.0
    unhealthy_every: int = 0

    def fails(self, number: int) -> bool:
        """Whether request ``number`` (1, 2, ...) ends in an error."""
        return bool(self.error_every) and number % self.error_every == 0

    def delay(self, number: int) -> float:
        """Seconds that request ``number`` takes too long."""
        return self.slow_seconds if self.slow_every and number % self.slow_every == 0 else 0.0

    def unhealthy(self, number: int) -> bool:
        """Whether health question ``number`` is answered with 503."""
        return bool(self.unhealthy_every) and number % self.unhealthy_every == 0


@dataclass(frozen=True)
class Release:
    """One release: the database schema its SQL is written for, and its known defect."""

    version: str
    schema: int
    fault: Fault = Fault()


RELEASES = {
    release.version: release
    for release in (
        Release("1.4.0", schema=40),
        Release("1.4.1", schema=41),
        Release("1.4.2", schema=42, fault=Fault(error_every=4, slow_every=15, slow_seconds=5.5, unhealthy_every=10)),
        Release("1.4.3", schema=42),
        Release("1.4.4", schema=42),
    )
}
