# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a rollback goes back to, and with which digests."""

from __future__ import annotations

from typing import Any

from ansible_collections.octalume.rollback.plugins.filter.previous_images import previous_images

PLACE = {"kind": "Deployment", "namespace": "production", "name": "api"}
OLD, DIGEST = "registry.example/shop:1", f"sha256:{'1' * 64}"


def manifest(*containers: tuple[str, str | None]) -> dict[str, Any]:
    return {
        "applications": [{**PLACE, "containers": [{"name": name, "previous": image} for name, image in containers]}]
    }


def recorded(image_id: str) -> dict[str, Any]:
    return {"recorded": [{**PLACE, "image_ids": {"main": image_id}}]}


def test_every_previous_image_comes_once() -> None:
    assert previous_images(manifest(("main", OLD), ("init", OLD), ("new", None))) == [{"image": OLD}]


def test_a_digest_comes_from_the_manifest_of_the_previous_release() -> None:
    [found] = previous_images(manifest(("main", OLD)), recorded(f"registry.example/shop@{DIGEST}"))
    assert found == {"image": OLD, "digest": DIGEST}


def test_an_id_of_a_node_is_no_digest_of_a_registry() -> None:
    for image_id in (DIGEST, "", "shop:1"):
        assert previous_images(manifest(("main", OLD)), recorded(image_id)) == [{"image": OLD}]


def test_a_digest_in_the_manifest_stands() -> None:
    image = f"{OLD}@{DIGEST}"
    assert previous_images(manifest(("main", image)), recorded(f"x@sha256:{'2' * 64}")) == [{"image": image}]
