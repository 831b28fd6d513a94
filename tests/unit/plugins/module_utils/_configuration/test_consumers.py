# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a pod has noticed that its configuration was restored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.consumers import judge, restored_at
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.references import ENVIRONMENT, FILES

TEMPLATE = {"spec": {"containers": [{"name": "api", "envFrom": [{"configMapRef": {"name": "a"}}]}]}}
DATA = {("ConfigMap", "a"): {"K": "old"}}
NOON, LATER = "2026-11-23T12:00:00Z", "2026-11-23T12:00:01Z"


def pod(*started: str | None) -> dict[str, Any]:
    states = [{"state": {"running": {"startedAt": one}} if one else {"waiting": {}}} for one in started]
    return {"status": {"containerStatuses": states}}


@pytest.mark.parametrize(
    ("started", "found", "restored", "good"),
    [
        (NOON, {"K": "old"}, {ENVIRONMENT: LATER}, True),  # the variables themselves are proof enough
        (LATER, {"K": "new"}, {ENVIRONMENT: NOON}, False),
        (LATER, {"OTHER": "x"}, {ENVIRONMENT: NOON}, False),
        (LATER, {"K": "old"}, {FILES: NOON}, True),
        (NOON, {"K": "old"}, {FILES: LATER}, False),
        (LATER, {"K": "old"}, {FILES: LATER}, True),  # seconds are all the server tells
        (None, {"K": "old"}, {FILES: NOON}, False),
        (NOON, {"K": "old"}, {FILES: ""}, True),  # nothing was restored by us, so nothing is stale
        (NOON, "no program env", {ENVIRONMENT: LATER}, False),
        (LATER, "no program env", {ENVIRONMENT: NOON}, True),
    ],
)
def test_variables_are_compared_and_files_judged_by_the_start(
    started: str | None, found: Mapping[str, str] | str, restored: dict[str, str], good: bool
) -> None:
    assert judge(pod(started), {"api": found}, TEMPLATE, DATA, restored).good is good


def test_one_container_that_has_not_started_again_is_enough() -> None:
    assert judge(pod(LATER, NOON), {}, TEMPLATE, {}, {FILES: LATER}).early


def test_only_this_collections_own_write_counts_as_restoring() -> None:
    fields = [
        {"manager": "kubectl", "time": LATER},
        {"manager": "octalume-rollback", "time": NOON},
    ]
    assert restored_at({"metadata": {"managedFields": fields}}) == NOON
    assert restored_at({"metadata": {"managedFields": fields[:1]}}) == ""
    assert restored_at({"metadata": {}}) == ""
