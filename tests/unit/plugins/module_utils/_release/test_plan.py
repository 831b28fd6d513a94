# SPDX-License-Identifier: GPL-3.0-or-later
"""Release manifests: what is read, and how each fault is told."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._release.client import read_manifest
from ansible_collections.octalume.rollback.plugins.module_utils._release.plan import check_version, parse_manifest
from ansible_collections.octalume.rollback.plugins.module_utils._release.recording import undoable

GOOD: dict[str, Any] = {
    "release": "1.4.2",
    "previous": "1.4.1",
    "service": "shop",
    "document": "P7-ROLLBACK-142",
    "author": "Dana Okafor",
    "applications": [
        {
            "name": "api-server",
            "namespace": "production",
            "containers": [{"name": "api", "current": "shop/api-server:1.4.2", "previous": "shop/api-server:1.4.1"}],
        }
    ],
    "databases": [{"name": "shop", "current": 42, "previous": 41}],
    "configurations": [{"path": "production/app-config", "current": 7, "previous": 6, "consumers": ["api-server"]}],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """GOOD with the value at a dotted path replaced; a value of KeyError removes it."""
    document = copy.deepcopy(GOOD)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = document
    for part in parents:
        place = place[part]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.mark.parametrize("version", ["1.4.2", "v2", "2026.11.23", "1.0.0-rc.1+build.5", "a" * 64])
def test_versions_of_releases_are_accepted(version: str) -> None:
    assert check_version(version) == version


@pytest.mark.parametrize(
    "version",
    [
        "",
        "1.4.2; rm -rf /",
        "../../etc/passwd",
        "1..2",
        ".1",
        "1.",
        "1/2",
        "a" * 65,
        "1.4.2\n",
        "$(id)",
        "{{ x }}",
        "\uff11.4",
    ],
)
def test_a_version_that_could_be_more_than_a_version_is_refused(version: str) -> None:
    with pytest.raises(RollbackError, match="is not a release version"):
        check_version(version)


def test_numbers_in_yaml_become_the_text_they_stand_for() -> None:
    manifest = parse_manifest(GOOD, "m", "1.4.2")
    assert (manifest.databases[0].current, manifest.databases[0].previous) == ("42", "41")
    assert manifest.configurations[0].previous == 6
    assert manifest.components == ("applications", "databases", "configurations")
    assert manifest.applications[0].kind == "Deployment"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "m: a mapping is wanted here, not list"),
        (None, "m: a mapping is wanted here, not nothing"),
        (changed("release", KeyError), "m: release missing"),
        (changed("release", "1.4.3"), "release is 1.4.3, but the file is asked for as 1.4.2"),
        (changed("release", 1.4), "m: release: str is wanted here, not float; put it in quotes"),
        (changed("previous", "1.4.2"), "previous is 1.4.2, the release itself"),
        (changed("previous", "1.4.1; id"), "is not a release version"),
        (changed("aplications", []), "m: unknown key aplications; known are release, previous"),
        (changed("applications", "api"), "m: applications: a list is wanted here, not str"),
        (changed("applications.0.kind", "CronJob"), "applications: api-server: kind CronJob is none of Deployment"),
        (changed("applications.0.containers", []), "applications: api-server: no containers"),
        (changed("applications.0.namespace", "../x"), "'../x' is not a Kubernetes name"),
        (changed("applications.0.containers.0.previous", KeyError), r"containers\[0\]: previous missing"),
        (changed("databases.0.current", True), r"databases\[0\]: current: str is wanted here, not bool"),
        (changed("configurations.0.previous", 0), "configurations: production/app-config: versions count from 1"),
        (changed("configurations.0.previous", -1), "versions count from 1"),
        (changed("configurations.0.previous", True), "previous: int is wanted here, not bool"),
        (
            {
                **GOOD,
                "applications": [],
                "configurations": [{"path": "a", "current": 2, "previous": 1, "secret": "app"}],
            },
            "configurations: a: secret app, the cluster's copy, is looked for where the first application runs",
        ),
        (changed("configurations.0.consumers", ["web"]), "consumer web is no application"),
        (
            {**GOOD, "applications": [], "databases": [], "configurations": []},
            "no applications, databases or configurations",
        ),
    ],
)
def test_a_fault_is_told_with_its_place(document: Any, message: str) -> None:
    with pytest.raises(RollbackError, match=message):
        parse_manifest(document, "m", "1.4.2")


def test_every_contradiction_is_told_at_once() -> None:
    document = changed("configurations.0.previous", 0)
    document["previous"] = "1.4.2"
    with pytest.raises(RollbackError, match=r"release itself; .*count from 1"):
        parse_manifest(document, "m", "1.4.2")


def test_a_manifest_is_found_by_its_release(tmp_path: Path) -> None:
    (tmp_path / "1.4.2.yml").write_text(yaml.safe_dump(GOOD))
    manifest, path, sha256 = read_manifest(tmp_path, "1.4.2")
    assert (manifest.service, path.name, len(sha256)) == ("shop", "1.4.2.yml", 64)


def test_an_unknown_release_is_told_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "1.4.2.yml").write_text("")
    with pytest.raises(RollbackError, match=r"no manifest for release 9.9.9 .*known here: 1.4.2"):
        read_manifest(tmp_path, "9.9.9")
    with pytest.raises(RollbackError, match="there is none at all"):
        read_manifest(tmp_path / "nowhere", "9.9.9")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"!!python/object/apply:os.system [id]", "is not YAML"),
        (b"#" * (1024 * 1024 + 1), "is larger than"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "1.4.2.yml").write_bytes(content)
    with pytest.raises(RollbackError, match=message):
        read_manifest(tmp_path, "1.4.2")


def test_a_configuration_without_a_copy_in_the_cluster_needs_no_application() -> None:
    alone = {**GOOD, "applications": [], "configurations": [{"path": "a", "current": 2, "previous": 1}]}
    assert parse_manifest(alone, "x.yml", "1.4.2").configurations[0].secret is None


def test_a_copy_whose_only_applications_the_release_brought_is_refused_before_anything_is_touched() -> None:
    brought = changed("applications.0.containers.0.previous", None)
    assert undoable(parse_manifest(brought, "x.yml", "1.4.2")).applications == ()
    brought["configurations"][0]["secret"] = "app-config"
    with pytest.raises(RollbackError, match=r"release 1\.4\.2 cannot be rolled back as its manifest is: .*app-config"):
        undoable(parse_manifest(brought, "x.yml", "1.4.2"))
