# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's emulators, judged by exchanges that were recorded on real servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.conformance import kubernetes, vault

# Each replays its recordings: exchanges that match, exchanges compared, and lines about what differs or is left out.
JUDGES: Mapping[str, Callable[[], tuple[int, int, list[str]]]] = {"kubernetes": kubernetes.run, "vault": vault.run}


def verdict(matched: int, total: int) -> str:
    """The line that sums a comparison up."""
    return f"conformance: {matched} of {total} exchanges match"
