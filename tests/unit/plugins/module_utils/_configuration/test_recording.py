# SPDX-License-Identifier: GPL-3.0-or-later
"""What is recorded of a workload: images by digest, the revision before, the disruption budget."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.recording import (
    covers,
    preceding,
    with_digest,
)
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import Observed, Revision, Workload

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("image", "ids", "recorded"),
    [
        ("shop:1.4.2", [f"registry/shop@{A}"], f"shop:1.4.2@{A}"),
        ("shop:1.4.2", [f"mirror/shop@{A}", f"registry/shop@{A}"], f"shop:1.4.2@{A}"),
        ("shop:1.4.2", [f"registry/shop@{A}", f"registry/shop@{B}"], "shop:1.4.2"),
        ("shop:1.4.2", [A], "shop:1.4.2"),  # the id of a local image: no registry knows it
        ("shop:1.4.2", [], "shop:1.4.2"),
        (f"shop@{A}", [f"registry/shop@{A}"], f"shop@{A}"),
    ],
)
def test_a_digest_is_recorded_if_all_pods_report_it_and_a_registry_knows_it(
    image: str, ids: list[str], recorded: str
) -> None:
    assert with_digest(image, ids) == recorded


def of(image: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "api", "image": image}]}}


@pytest.mark.parametrize(
    ("history", "before"),
    [
        (["shop:1", "shop:2"], "shop:1"),
        (["shop:2", "shop:1", "shop:3"], "shop:3"),
        (["shop:1", "shop:2", "shop:2"], "shop:1"),
        (["shop:2"], None),
        ([], None),
    ],
)
def test_the_revision_before_is_the_newest_one_with_other_images(history: list[str], before: str | None) -> None:
    revisions = tuple(Revision(number, f"r{number}", f"u{number}", of(image)) for number, image in enumerate(history))
    live = {"spec": {"template": of("shop:2")}, "metadata": {}}
    observed = Observed(Workload("Deployment", "shop", "production", ()), live, revisions, ())
    assert (preceding(observed) or {}).get("api") == before


@pytest.mark.parametrize(
    ("selector", "covered"),
    [
        ({"matchLabels": {"app": "shop"}}, True),
        ({"matchLabels": {"app": "other"}}, False),
        ({}, True),
        (None, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["shop", "x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["shop"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_disruption_budget_belongs_to_the_pods_it_selects(selector: dict[str, Any] | None, covered: bool) -> None:
    template = {"metadata": {"labels": {"app": "shop"}}}
    assert covers({"spec": {"selector": selector}}, template) is covered
