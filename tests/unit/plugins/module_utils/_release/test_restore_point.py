# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore points: what a manifest is made of, which release ran before, and how it is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.octalume.rollback.plugins.module_utils._digest import content_digest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._release.client import read_manifest
from ansible_collections.octalume.rollback.plugins.module_utils._release.model import ClusterConfiguration, Content
from ansible_collections.octalume.rollback.plugins.module_utils._release.recording import (
    brought,
    compose_for,
    undoable,
)
from ansible_collections.octalume.rollback.plugins.module_utils._release.restore_point import differing, order
from ansible_collections.octalume.rollback.plugins.module_utils._release.writing import (
    render,
    signatures,
    write,
    written_as,
)


def workload(image: str, preceding: str | None = None, name: str = "api-server", **more: Any) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "name": name,
        "namespace": "production",
        "images": {"api": image},
        "containers": {"api": image},
        "image_ids": {"api": f"id of {image}"},
        "replicas": 3,
        "revision": 2,
        "preceding": {"api": preceding} if preceding else None,
        "template": {"spec": {"containers": [{"name": "api", "image": image}]}},
        "secrets": ["app-config"],
        **more,
    }


def config_map(name: str, **data: str) -> dict[str, Any]:
    content = {"digest": content_digest(data, {}), "data": data, "binary_data": {}, "encrypted": None, "type": None}
    return {
        "kind": "ConfigMap",
        "name": name,
        "namespace": "production",
        "current": {**content, "immutable": False},
        "previous": None,
        "consumers": ["api-server"],
    }


def asked(version: str, image: str, preceding: str | None = None, **more: Any) -> dict[str, Any]:
    names = ("previous", "service", "document", "author", "summary")
    return {
        **dict.fromkeys(names),
        "version": version,
        "service": "shop",
        "workloads": [workload(image, preceding)],
        "databases": [],
        "configurations": [],
        "cluster_configurations": [],
        **more,
    }


def record(directory: Path, version: str, image: str, preceding: str | None = None, **more: Any) -> Any:
    _existing, manifest = compose_for(asked(version, image, preceding, **more), directory, "ann@here/12")
    path = directory / f"{version}.yml"
    write(path, written_as(manifest, path))
    assert read_manifest(directory, version)[0] == manifest
    return manifest


def test_versions_are_in_the_order_people_mean() -> None:
    versions = ["1.4.2-rc1", "1.4.2-rc2", "1.4.2", "1.4.2.1", "1.4.9", "1.4.10", "2.0.0"]
    assert sorted(("2.0.0", "1.4.2", *versions[:2], *versions[3:6]), key=order) == versions


def test_what_was_current_becomes_previous(tmp_path: Path) -> None:
    state = {"path": "production/app-config", "state": "exists", "secret": "app-config"}
    record(
        tmp_path,
        "1.4.1",
        "shop:1.4.1",
        databases=[{"name": "shop", "current": "41", "previous": None, "breaking": False}],
        configurations=[{**state, "current": 6}],
        cluster_configurations=[config_map("settings", K="old"), config_map("settings-7f3a", K="x")],
    )
    manifest = record(
        tmp_path,
        "1.4.2",
        "shop:1.4.2",
        "shop:1.4.1",
        service=None,
        databases=[{"name": "shop", "current": "42", "previous": None, "breaking": None}],
        configurations=[{**state, "current": 7}],
        cluster_configurations=[config_map("settings", K="new"), config_map("settings-9c0d", K="x")],
    )
    assert (manifest.previous, manifest.service, manifest.document) == ("1.4.1", "shop", "P7-ROLLBACK-142")
    assert manifest.author == "ann@here"
    (application,) = manifest.applications
    assert (application.containers[0].current, application.containers[0].previous) == ("shop:1.4.2", "shop:1.4.1")
    assert application.template == {"spec": {"containers": [{"name": "api", "image": "shop:1.4.1"}]}}
    assert (manifest.databases[0].current, manifest.databases[0].previous) == ("42", "41")
    assert (manifest.configurations[0].previous, manifest.configurations[0].consumers) == (6, ("api-server",))
    found = {item.name: item for item in manifest.cluster_configurations}
    assert (found["settings"].current.data, found["settings"].previous.data) == ({"K": "new"}, {"K": "old"})
    assert found["settings-7f3a"].current is None, "the release no longer uses it, the rollback needs it again"
    assert found["settings-9c0d"].previous is None
    assert brought(manifest) == ["configmap/settings-9c0d in production"]
    assert {item.name for item in undoable(manifest).cluster_configurations} == {"settings", "settings-7f3a"}


def test_the_first_release_is_a_baseline_that_cannot_be_undone(tmp_path: Path) -> None:
    manifest = record(tmp_path, "1.4.1", "shop:1.4.1")
    assert manifest.previous is None
    with pytest.raises(RollbackError, match="is the first that was recorded"):
        undoable(manifest)


def test_after_a_rollback_the_release_before_is_not_the_newest_one(tmp_path: Path) -> None:
    record(tmp_path, "1.4.1", "shop:1.4.1")
    record(tmp_path, "1.4.2", "shop:1.4.2", "shop:1.4.1")
    assert record(tmp_path, "1.4.3", "shop:1.4.3", "shop:1.4.1").previous == "1.4.1"
    assert record(tmp_path, "1.4.4", "shop:1.4.4", "shop:1.4.3").previous == "1.4.3"
    assert record(tmp_path, "1.4.5", "shop:1.4.5", None).previous == "1.4.4", "no history tells nothing against it"
    with pytest.raises(RollbackError, match=r"not clear: api-server ran shop:9, .* -e record_previous=VERSION"):
        record(tmp_path, "1.4.6", "shop:1.4.6", "shop:9")
    assert record(tmp_path, "1.4.6", "shop:1.4.6", "shop:9", previous="1.4.2").previous == "1.4.2"


def test_a_release_that_is_not_live_is_not_recorded(tmp_path: Path) -> None:
    record(tmp_path, "1.4.1", "shop:1.4.1")
    with pytest.raises(RollbackError, match=r"nothing differs from release 1\.4\.1"):
        record(tmp_path, "1.4.2", "shop:1.4.1")
    assert not (tmp_path / "1.4.2.yml").exists()


def test_a_manifest_written_by_hand_keeps_what_only_people_know(tmp_path: Path) -> None:
    by_hand = {
        "release": "1.4.2",
        "previous": "1.4.1",
        "service": "shop",
        "document": "P7-ROLLBACK-7",
        "author": "Dana Okafor",
        "summary": "Loyalty points",
        "applications": [
            {
                "name": "api-server",
                "namespace": "production",
                "containers": [{"name": "api", "current": "shop:1.4.2", "previous": "shop:1.4.1"}],
            }
        ],
        "databases": [{"name": "shop", "current": 42, "previous": 41, "breaking": False}],
    }
    (tmp_path / "1.4.2.yml").write_text(yaml.safe_dump(by_hand))
    databases = [{"name": "shop", "current": "42", "previous": None, "breaking": None}]
    manifest = record(tmp_path, "1.4.2", "shop:1.4.2@sha256:" + "a" * 64, databases=databases)
    assert (manifest.document, manifest.author, manifest.summary) == ("P7-ROLLBACK-7", "Dana Okafor", "Loyalty points")
    assert manifest.applications[0].containers[0].previous == "shop:1.4.1"
    assert (manifest.databases[0].previous, manifest.databases[0].breaking) == ("41", False)


def test_a_container_that_came_or_went_is_told_as_such(tmp_path: Path) -> None:
    record(tmp_path, "1", "shop:1")
    two = workload("shop:2", "shop:1")
    two["containers"] = {"new": "proxy:1"}
    manifest = record(tmp_path, "2", "", workloads=[two])
    ends = {one.name: (one.current, one.previous) for one in manifest.applications[0].containers}
    assert ends == {"new": ("proxy:1", None), "api": (None, "shop:1")}


def test_an_unchanged_content_is_written_once(tmp_path: Path) -> None:
    text = "many words " * 20
    record(tmp_path, "1.4.1", "shop:1.4.1", cluster_configurations=[config_map("settings", K=text)])
    manifest = record(tmp_path, "1.4.2", "shop:1.4.2", cluster_configurations=[config_map("settings", K=text)])
    assert (tmp_path / "1.4.2.yml").read_text().count("many words") == 20
    assert manifest.cluster_configurations[0].previous.data == {"K": text}
    assert "configmap/settings in production" not in differing(manifest)


@pytest.mark.parametrize(
    "value", ["two\nlines\n", "  indented\n", "trailing \nspace", "- : {}", "yes", "1.10", "tab\there", "é\u2028", ""]
)
def test_any_text_reads_back_as_it_was(tmp_path: Path, value: str) -> None:
    manifest = record(tmp_path, "1.4.1", "shop:1.4.1", cluster_configurations=[config_map("settings", K=value)])
    assert read_manifest(tmp_path, "1.4.1")[0].cluster_configurations == manifest.cluster_configurations


def test_a_recorded_content_that_somebody_edited_is_refused(tmp_path: Path) -> None:
    record(tmp_path, "1.4.1", "shop:1.4.1", cluster_configurations=[config_map("settings", K="fifty")])
    path = tmp_path / "1.4.1.yml"
    path.write_text(path.read_text().replace("fifty", "sixty"))
    with pytest.raises(RollbackError, match="the content was changed since it was recorded"):
        read_manifest(tmp_path, "1.4.1")


def test_a_secret_in_plain_text_is_refused(tmp_path: Path) -> None:
    record(tmp_path, "1.4.1", "shop:1.4.1", cluster_configurations=[config_map("settings", K="planted")])
    path = tmp_path / "1.4.1.yml"
    path.write_text(path.read_text().replace("kind: ConfigMap", "kind: Secret"))
    with pytest.raises(RollbackError, match="a Secret's content is written encrypted only") as caught:
        read_manifest(tmp_path, "1.4.1")
    assert "planted" not in caught.value.message


def test_a_diff_leaves_out_what_is_encrypted(tmp_path: Path) -> None:
    manifest = record(tmp_path, "1.4.1", "shop:1.4.1")
    content = Content("hmac:abc", encrypted="$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    secret = ClusterConfiguration("Secret", "licence", "production", content, None)
    shown = render(replace(manifest, cluster_configurations=(secret,)), hide=True)
    assert "6162" not in shown
    assert "hmac:abc" in shown
    assert "6162" in render(replace(manifest, cluster_configurations=(secret,)))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "1.4.2.yml"
    path.write_text("old")
    (tmp_path / "1.4.2.yml.dba.sig").write_text("signed")
    assert [one.name for one in signatures(path)] == ["1.4.2.yml.dba.sig"]
    with pytest.raises(RollbackError, match="is signed"):
        write(path, "new")
    with pytest.raises(RollbackError, match="cannot be written"):
        write(path / "below" / "1.yml", "new")
    assert path.read_text() == "old"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["1.4.2.yml", "1.4.2.yml.dba.sig"]
