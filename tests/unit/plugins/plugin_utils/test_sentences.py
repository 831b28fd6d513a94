# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task's line says about its result."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import yaml
from ansible_collections.octalume.rollback.plugins.plugin_utils.sentences import SENTENCES, sentence, size

WORKLOAD = {"name": "api", "images": {"api": "shop:1.4.2"}, "ready": 2, "replicas": 3}
ROLLED = {"name": "api", "before": {"replicas": 3}, "after": {"replicas": 0, "images": {"api": "shop:1.4.2"}}}


@pytest.mark.parametrize(
    ("module", "result", "words"),
    [
        ("k8s_permissions_info", {"asked": ["a", "b"], "missing": []}, "2 rights, none missing"),
        ("k8s_rollout_info", {"workloads": [WORKLOAD]}, "api: shop:1.4.2, 2/3 ready"),
        ("octalume.rollback.k8s_rollout", {"workloads": [ROLLED]}, "api: shop:1.4.2, 3 -> 0 replicas"),
        (
            "migration_info",
            {"current": "42", "steps": [{}], "loss": {"rows": 7}},
            "migration 42, 1 down, 7 rows and values would be lost",
        ),
        ("migration_info", {"current": "41", "steps": [], "loss": None}, "migration 41"),
        ("smoke_test", {"passed": 3, "tests": [{}, {}, {}, {}]}, "3 of 4 pass"),
        ("rollback_plan_info", {"pending": False, "steps": [], "strategy": "none"}, "nothing"),
        (
            "rollback_plan_info",
            {"pending": True, "steps": [1, 2], "strategy": "rolling", "reason": "nothing breaks"},
            "2 steps, rolling: nothing breaks",
        ),
        ("rollback_record_info", {"unfinished": None}, "none"),
        ("rollback_record_info", {"unfinished": {"id": "r1"}}, "record r1 is taken up again"),
        (
            "postgres_backup",
            {"backup": {"database": "shop", "path": "/b", "size": 12_345, "proof": {"level": "read"}}},
            "shop: 12 kB, proven by read",
        ),
        ("postgres_backup", {"backup": {"database": "shop", "path": "/b"}}, "/b"),
        ("rollback_maintenance", {"enabled": True}, "on"),
        ("registry_image_info", {"images": [{"image": "shop:1", "verdict": "pass"}]}, "shop:1: pass"),
        (
            "rollback_checklist_info",
            {
                "checklist": [
                    {"name": "issue", "state": "ready", "who": ""},
                    {"name": "team", "state": "x", "who": "Kim"},
                ]
            },
            "1 of 2 items are so; team taken on by Kim",
        ),
        (
            "migration_downgrade",
            {"results": [{"from": "42", "to": "41"}, {"skipped": True}, {"failed": True}]},
            "migration 42 -> 41",
        ),
    ],
)
def test_a_result_is_said_in_a_few_words(module: str, result: dict[str, Any], words: str) -> None:
    assert sentence(module, result) == words


@pytest.mark.parametrize("result", [{"failed": True}, {"skipped": True}, {}, {"workloads": None}, {"workloads": [{}]}])
def test_an_odd_result_is_not_talked_about(result: dict[str, Any]) -> None:
    assert sentence("k8s_rollout", result) == ""


def test_other_modules_are_not_talked_about() -> None:
    assert sentence("ansible.builtin.copy", {"changed": True}) == ""


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_is_about_a_module_that_is_there(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.octalume.rollback.plugins.modules.{name}")
    assert yaml.safe_load(module.RETURN)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e9, "2.5 GB"), (5e12, "5000 GB")]
)
def test_sizes_are_read_at_a_glance(count: float, text: str) -> None:
    assert size(count) == text
