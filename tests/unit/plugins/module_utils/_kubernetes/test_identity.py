# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as the same image, and as the same template."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.identity import (
    as_written,
    fits_record,
    images_of,
    parse_image,
    same_image,
    same_revision,
)

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("reference", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io/library/nginx", "latest", None),
        ("shop/api:1.4.1", "docker.io/shop/api", "1.4.1", None),
        ("localhost:5000/api:1", "localhost:5000/api", "1", None),
        ("localhost/api", "localhost/api", "latest", None),
        ("registry.example.com/a/b:v1@" + A, "registry.example.com/a/b", "v1", A),
        ("docker-pullable://registry.example.com/a@" + A, "registry.example.com/a", None, A),
    ],
)
def test_image_references_are_taken_apart(reference: str, repository: str, tag: str | None, digest: str | None) -> None:
    image = parse_image(reference)
    assert (image.repository, image.tag, image.digest) == (repository, tag, digest)


@pytest.mark.parametrize(
    ("live", "wanted", "running", "same"),
    [
        ("shop/api:1.4.1", "shop/api:1.4.1", None, True),
        ("shop/api:1.4.1", "docker.io/shop/api:1.4.1", None, True),
        ("shop/api:1.4.1", "shop/api:1.4.10", None, False),
        ("shop/api:1.4.1", "mirror.example.com/shop/api:1.4.1", None, False),
        ("mirror.example.com/api@" + A, "shop/api:1.4.1@" + A, None, True),
        ("shop/api:1.4.1@" + A, "shop/api:1.4.1@" + B, None, False),
        ("shop/api:1.4.1@" + A, "shop/api:1.4.1", None, True),
        ("shop/api:1.4.1", "shop/api:1.4.1@" + A, None, True),
        ("shop/api@" + A, "shop/api:1.4.1", None, False),
        ("shop/api:1.4.1", "shop/api@" + A, None, False),
        ("shop/api:1.4.1", "shop/api@" + A, "docker.io/shop/api@" + A, True),
        ("shop/api:1.4.1", "shop/api@" + A, "docker.io/shop/api@" + B, False),
        (None, None, None, True),
        (None, "shop/api:1", None, False),
        ("shop/api:1", None, None, False),
    ],
)
def test_images_are_compared_by_digest_or_by_repository_and_tag(
    live: str | None, wanted: str | None, running: str | None, same: bool
) -> None:
    assert same_image(live, wanted, running) is same


def test_a_real_replica_set_has_the_revision_of_its_deployment(recorded: dict[str, Any]) -> None:
    live = recorded["deployment"]["spec"]["template"]
    matching = [
        item["metadata"]["name"] for item in recorded["replicasets"] if same_revision(item["spec"]["template"], live)
    ]
    assert matching == ["api-server-ff69cccbb"]


def test_a_restart_is_another_revision_but_fits_the_same_record(recorded: dict[str, Any]) -> None:
    live = recorded["deployment"]["spec"]["template"]
    restarted = {**live, "metadata": {**live["metadata"], "annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}
    assert not same_revision(restarted, live)
    assert fits_record(restarted, live)


def test_a_template_as_it_was_applied_fits_without_the_servers_defaults(recorded: dict[str, Any]) -> None:
    [old, *_newer] = recorded["replicasets"]
    metadata = recorded["deployment"]["metadata"]
    applied = json.loads(metadata["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])["spec"][
        "template"
    ]
    assert applied != as_written(old["spec"]["template"])
    assert fits_record(old["spec"]["template"], applied)
    old["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "MODE", "value": "new"}]
    assert not fits_record(old["spec"]["template"], applied)


def test_the_hash_of_a_controller_is_not_part_of_a_template(recorded: dict[str, Any]) -> None:
    template = recorded["replicasets"][0]["spec"]["template"]
    assert as_written({**template, "$patch": "replace"})["metadata"] == {"labels": {"app": "api-server"}}
    assert template["metadata"]["labels"]["pod-template-hash"] == "77c68df548"
    assert "$patch" not in as_written({**template, "$patch": "replace"})


def test_init_containers_count_as_containers() -> None:
    spec = {"initContainers": [{"name": "migrate", "image": "m:1"}], "containers": [{"name": "api", "image": "a:1"}]}
    assert images_of({"spec": spec}) == {"migrate": "m:1", "api": "a:1"}
