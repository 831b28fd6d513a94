# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions asked together: who is in which batch, whose answer is whose, and what is asked again alone."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.batch import MARK, Batch, batches
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.model import Reply, Series, Window

NOW, PAST = Window(1000, 0, 1), Window(1000, 15, 21)
BATCH = Batch(("a", "b # all of it", "c"), PAST)


def test_a_query_for_all_marks_what_each_returns() -> None:
    assert BATCH.query == (
        f'((label_replace(\na\n, "{MARK}", "0", "", "") or label_replace(\nb # all of it\n, "{MARK}", "1", "", "")) or '
        f'label_replace(\nc\n, "{MARK}", "2", "", ""))'
    )
    assert Batch(("a",), NOW).query == "a"


def test_every_query_gets_its_own_series_back() -> None:
    def series(whose: int, **labels: str) -> Series:
        return Series({**labels, MARK: str(whose)}, {0: whose})

    shared = BATCH.shared(Reply((series(2, pod="x"), series(0), series(2, pod="y")), ("partial answer",)))
    assert shared == [
        Reply((Series({}, {0: 0}),), ("partial answer",)),
        Reply((), ("partial answer",)),
        Reply((Series({"pod": "x"}, {0: 2}), Series({"pod": "y"}, {0: 2})), ("partial answer",)),
    ]


def test_a_warning_about_one_query_of_several_is_not_shared_out() -> None:
    odd = Reply((), ("PromQL warning: quantile value should be between 0 and 1",))
    assert BATCH.shared(odd) is None
    assert Batch(("a",), PAST).shared(odd) == [odd]


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [("bad_query", [2, 1]), ("server_error", [2, 1]), ("timeout", [1, 1, 1]), ("denied", []), ("refused", [])],
)
def test_what_may_be_the_fault_of_one_query_is_asked_in_smaller_batches(kind: str, sizes: list[int]) -> None:
    smaller = BATCH.smaller(kind)
    assert [len(batch.queries) for batch in smaller] == sizes
    assert [query for batch in smaller for query in batch.queries] in ([], list(BATCH.queries))
    assert Batch(("a",), PAST).smaller(kind) == []


@pytest.mark.parametrize(
    ("count", "workers", "length", "most"),
    [(32, 8, 1, 1), (33, 8, 1, 2), (1000, 8, 1, 32), (9000, 8, 1, 50), (40, 1, 5000, 2), (3, 8, 1, 1)],
)
def test_many_questions_make_few_batches_and_few_stay_alone(count: int, workers: int, length: int, most: int) -> None:
    queries = [f"{number:0{length}d}" for number in range(count)]
    found = batches([(query, PAST) for query in queries], workers)
    assert [query for batch in found for query in batch.queries] == queries
    assert max(len(batch.queries) for batch in found) == most


def test_a_batch_is_over_one_window_and_returns_no_more_than_fits() -> None:
    long = Window(1000, 1, 2000)
    questions = [(f"q{number}", window) for number in range(40) for window in (NOW, PAST, long)]
    found = batches(questions, 1)
    assert {(batch.window, len(batch.queries)) for batch in found} == {
        (NOW, 30),
        (NOW, 10),
        (PAST, 30),
        (PAST, 10),
        (long, 2),
    }


@pytest.mark.parametrize(
    ("query", "alone"),
    [
        ("sum(a", True),
        ("a)", True),
        ("(a]", True),
        ('a{b="c', True),
        ("a{b=`c", True),
        ("a # it's fine", False),
        ('a{b=\'(\', c="\\"[", d=`}`}', False),
        ("rate(a[1m])", False),
    ],
)
def test_a_query_that_could_reach_into_its_neighbours_is_asked_alone(query: str, alone: bool) -> None:
    questions: list[Any] = [(query, NOW), *((f"q{number}", NOW) for number in range(9))]
    found = batches(questions, 1)
    assert ((query,) in [batch.queries for batch in found]) is alone
