# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares every emulator with its recordings; the last line tells how many exchanges match."""

from __future__ import annotations

import sys

from tests.conformance import JUDGES, verdict


def main() -> int:
    """0 if every exchange that was compared matches."""
    matched = total = 0
    for name, judge in JUDGES.items():
        good, compared, lines = judge()
        print(f"{name}:", *lines, sep="\n  ")
        matched, total = matched + good, total + compared
    print(verdict(matched, total))
    return 0 if matched == total else 1


if __name__ == "__main__":
    sys.exit(main())
