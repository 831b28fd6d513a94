# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a histogram reaches is asked of Prometheus where the query shows the way."""

from __future__ import annotations

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.histogram import bounds_query, ceiling
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.model import Reply, Series


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (
            "histogram_quantile(0.99, sum by (le) (rate(x_bucket[5m])))",
            "group by (le) (sum by (le) (rate(x_bucket[5m])))",
        ),
        (" histogram_quantile ( 0.5 , x_bucket )\n", "group by (le) (x_bucket)"),
        (r'histogram_quantile(0.9, x{a=")\",(",b=~`)`})', r'group by (le) (x{a=")\",(",b=~`)`})'),
        ("histogram_quantile(0.9, x) * 1000", None),
        ("1000 * histogram_quantile(0.9, x)", None),
        ("histogram_quantile(0.9, x) / histogram_quantile(0.5, x)", None),
        ("histogram_quantile(0.9, x", None),
        ("histogram_quantile", None),
        ("histogram_quantiles(x, 0.1, 0.2)", None),
        ("rate(x[5m])", None),
    ],
)
def test_only_a_bare_quantile_says_where_its_buckets_are(query: str, wanted: str | None) -> None:
    assert bounds_query(query) == wanted


@pytest.mark.parametrize(
    ("bounds", "wanted"),
    [(["0.1", "5", "+Inf", "2.5"], 5.0), (["+Inf"], None), ([], None), (["", "a", "1e3"], 1000.0), (["NaN", "2"], 2.0)],
)
def test_the_ceiling_is_the_largest_finite_bound(bounds: list[str], wanted: float | None) -> None:
    assert ceiling(Reply(tuple(Series({"le": bound}, {0: 1.0}) for bound in bounds))) == wanted
