# SPDX-License-Identifier: GPL-3.0-or-later
"""Four verdicts, and how several become one."""

from __future__ import annotations

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._http.verdict import Verdict, combined, worst

LETTERS = {"p": Verdict.PASS, "f": Verdict.FAIL, "i": Verdict.INCONCLUSIVE, "e": Verdict.ERROR}


def read(text: str) -> list[Verdict]:
    return [LETTERS[letter] for letter in text]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [("", "i"), ("p", "p"), ("pp", "p"), ("pi", "i"), ("pie", "e"), ("pief", "f"), ("ei", "e"), ("fi", "f")],
)
def test_not_knowing_never_becomes_a_pass(found: str, wanted: str) -> None:
    assert worst(read(found)) is LETTERS[wanted]
    assert combined(read(found), "any") is LETTERS[wanted]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ("", "i"),
        ("f", "f"),
        ("ff", "f"),
        ("fp", "p"),
        ("fpi", "p"),
        ("fi", "i"),
        ("fie", "e"),
        ("ii", "i"),
        ("pp", "p"),
    ],
)
def test_all_have_to_fail_where_all_is_asked_for(found: str, wanted: str) -> None:
    assert combined(read(found), "all") is LETTERS[wanted]
