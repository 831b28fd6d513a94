# SPDX-License-Identifier: GPL-3.0-or-later
"""What has changed since a release was recorded."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._release.drift import drift

TEMPLATE = {"spec": {"containers": [{"name": "api", "image": "shop:2"}]}}
RECORD = {
    "kind": "Deployment",
    "name": "shop",
    "namespace": "production",
    "replicas": 3,
    "autoscaler": None,
    "image_ids": {"api": "sha256:a"},
    "template": TEMPLATE,
}
LIVE = {
    "kind": "Deployment",
    "name": "shop",
    "namespace": "production",
    "position": "release",
    "images": {"api": "shop:2"},
    "replicas": 3,
    "recorded_replicas": None,
    "hpa": None,
    "pods": [{"image_id": {"api": "sha256:a"}}],
    "template": TEMPLATE,
}
EDITED = {"spec": {"containers": [{"name": "api", "image": "shop:2", "env": [{"name": "X", "value": "1"}]}]}}
HPA = {"name": "shop", "min": 2, "max": 5}


@pytest.mark.parametrize(
    ("live", "record", "what"),
    [
        ({}, {}, []),
        ({"replicas": 5}, {}, ["replicas"]),
        ({"replicas": 0, "recorded_replicas": 3}, {}, []),  # a rollback that has quiesced
        ({"replicas": 5, "hpa": HPA}, {"autoscaler": HPA}, []),  # that is what an autoscaler is for
        ({"hpa": {**HPA, "max": 9}}, {"autoscaler": HPA}, ["autoscaler"]),
        ({"hpa": None}, {"autoscaler": HPA}, ["autoscaler"]),
        ({"pods": [{"image_id": {"api": "sha256:b"}}]}, {}, ["image of api"]),
        ({"pods": [{"image_id": {"api": ""}}]}, {}, []),
        ({"template": EDITED}, {}, ["pod template"]),
        ({"position": "previous", "replicas": 1, "template": EDITED}, {}, []),
        ({"position": "other", "images": {"api": "shop:9"}}, {}, ["images"]),
    ],
)
def test_workloads_that_are_not_as_recorded(live: dict[str, Any], record: dict[str, Any], what: list[str]) -> None:
    manifest = {"recorded": [{**RECORD, **record}], "databases": [], "configurations": []}
    found = drift(manifest, [{**LIVE, **live}], [], [], [])
    assert [entry["what"] for entry in found] == what


@pytest.mark.parametrize(("current", "drifted"), [("42", False), ("41", False), (42, False), ("43", True)])
def test_a_schema_that_is_neither_the_releases_nor_the_previous(current: Any, drifted: bool) -> None:
    manifest = {"databases": [{"name": "shop", "current": "42", "previous": "41"}], "configurations": []}
    found = drift(manifest, [], [{"name": "shop", "current": current}], [], [])
    assert bool(found) is drifted
    if drifted:
        said = "database shop: migration is 43, and was 42 when the release was recorded"
        assert found[0]["message"] == said


@pytest.mark.parametrize(
    ("position", "drifted"),
    [("release", False), ("previous", False), ("brought", False), ("missing", True), ("other", True)],
)
def test_configuration_that_somebody_changed(position: str, drifted: bool) -> None:
    manifest = {"databases": [], "configurations": [{"current": 7}]}
    secret = {"path": "app", "position": "other" if drifted else "release", "live_version": 9}
    item = {"kind": "ConfigMap", "name": "settings", "position": position}
    found = drift(manifest, [], [], [secret], [item])
    assert [entry["name"] for entry in found] == (["app", "configmap/settings"] if drifted else [])


def test_a_manifest_written_by_hand_is_compared_as_far_as_it_goes() -> None:
    assert drift({"databases": [], "configurations": []}, [{**LIVE, "replicas": 9}], [], [], []) == []
