# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written to ConfigMaps and Secrets, and what is refused."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.encryption import Safe
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.plan import (
    Payload,
    diff,
    made_again,
    operations,
    see,
    text_values,
)
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.recording import content_of
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import LAST_APPLIED
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._release.model import ClusterConfiguration, Content

OLD, NEW, OTHER = {"K": "old", "GONE": "x"}, {"K": "new", "BORN": "y"}, {"K": "other"}
PLANTED = "planted-5a1f"


def encoded(data: dict[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}


def live(data: dict[str, str], kind: str = "ConfigMap", **more: Any) -> dict[str, Any]:
    meta = {"name": "settings", "namespace": "production", "resourceVersion": "7"}
    return {"kind": kind, "metadata": meta, "data": encoded(data) if kind == "Secret" else data, **more}


@pytest.fixture
def safe(tmp_path: Path) -> Safe:
    pytest.importorskip("ansible.parsing.vault", reason="secrets are encrypted on the control node only")
    password = tmp_path / "password"
    password.write_text("of this test")
    opened = Safe.opened(str(password), None)
    assert opened
    return opened


def entry(kind: str, safe: Safe) -> ClusterConfiguration:
    current, previous = (content_of(live(data, kind), safe) for data in (NEW, OLD))
    return ClusterConfiguration(kind, "settings", "production", current, previous, ("api-server",))


def test_what_a_controller_keeps_is_left_alone(safe: Safe) -> None:
    """The recorded content may be a certificate that has expired since."""
    found = live(NEW, "Secret")
    found["metadata"]["annotations"] = {"cert-manager.io/certificate-name": "shop-tls"}
    seen = see(entry("Secret", safe), found, None)
    assert (seen.position, seen.writes, seen.problems) == ("previous", False, ())
    told = seen.as_result()
    assert (told["equal"], told["kept_by"], told["keys_changed"]) == (True, "cert-manager (Certificate shop-tls)", [])


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
@pytest.mark.parametrize(
    ("found", "position", "writes", "problem"),
    [
        (NEW, "release", True, ""),
        (OLD, "previous", False, ""),
        (None, "missing", True, ""),
        (OTHER, "other", False, "somebody changed it since"),
    ],
)
def test_only_the_releases_own_content_is_replaced(
    safe: Safe, kind: str, found: dict[str, str] | None, position: str, writes: bool, problem: str
) -> None:
    seen = see(entry(kind, safe), live(found, kind) if found is not None else None, safe)
    assert (seen.position, seen.writes) == (position, writes)
    assert problem in " ".join(seen.problems)
    assert bool(seen.problems) == bool(problem)
    assert seen.target.data == (encoded(OLD) if kind == "Secret" else OLD)


def test_what_the_release_brought_is_left_alone(safe: Safe) -> None:
    seen = see(replace(entry("ConfigMap", safe), previous=None), live(NEW), safe)
    assert (seen.position, seen.writes, seen.problems) == ("brought", False, ())
    assert seen.as_result()["equal"] is True


def test_an_immutable_object_is_told_and_not_tried(safe: Safe) -> None:
    seen = see(entry("ConfigMap", safe), live(NEW, immutable=True), safe)
    assert not seen.writes
    assert "is immutable" in seen.problems[0]
    assert "kubectl -n production delete configmap settings" in seen.problems[0]
    assert see(entry("ConfigMap", safe), live(OLD, immutable=True), safe).problems == ()


def test_a_secret_needs_the_password_it_was_recorded_with(safe: Safe, tmp_path: Path) -> None:
    item = entry("Secret", safe)
    assert "give vault_password_file" in see(item, live(NEW, "Secret"), None).problems[0]
    (tmp_path / "other").write_text("another")
    other = Safe.opened(str(tmp_path / "other"), None)
    assert "does not open with this vault password" in see(item, live(NEW, "Secret"), other).problems[0]
    with pytest.raises(RollbackError, match="gives no password"):
        Safe.opened(str(tmp_path / "none"), None)


def test_the_same_secret_is_recorded_as_the_same_text_and_never_in_plain(safe: Safe) -> None:
    one, two = (content_of(live({"K": PLANTED}, "Secret"), safe) for _unused in range(2))
    assert one == two
    assert one.encrypted != content_of(live({"K": "another"}, "Secret"), safe).encrypted
    assert PLANTED not in repr(one)
    assert base64.b64encode(PLANTED.encode()).decode() not in repr(one)
    assert safe.decrypt(one.encrypted or "", "here") == encoded({"K": PLANTED})


def test_a_write_carries_the_version_it_was_decided_on_and_renews_kubectls_memory() -> None:
    applied = json.dumps({"kind": "ConfigMap", "data": NEW, "stringData": {"K": "x"}})
    item = live(NEW, binaryData={"picture": "AA=="})
    item["metadata"]["annotations"] = {LAST_APPLIED: applied, "theirs": "kept"}
    first, *changes = operations(item, Payload(OLD))
    assert first == {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    paths = {change["path"]: change for change in changes}
    assert paths["/data"]["value"] == OLD
    assert paths["/binaryData"]["op"] == "remove"
    memory = json.loads(paths["/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"]["value"])
    assert memory == {"kind": "ConfigMap", "data": OLD}
    assert len(paths) == 3


def test_an_object_that_is_gone_is_made_with_its_type(safe: Safe) -> None:
    content = Content("hmac:x", encrypted=safe.encrypt(encoded(OLD)), type="kubernetes.io/tls", immutable=True)
    seen = see(ClusterConfiguration("Secret", "settings", "production", None, content), None, safe)
    made = made_again(seen)
    assert (made["type"], made["immutable"], made["data"]) == ("kubernetes.io/tls", True, encoded(OLD))


@pytest.mark.parametrize(("kind", "shown"), [("ConfigMap", True), ("Secret", False)])
def test_a_diff_names_keys_and_shows_no_secret(safe: Safe, kind: str, shown: bool) -> None:
    planted = {"K": PLANTED, "SAME": "s"}
    previous = content_of(live(planted, kind), safe)
    current = content_of(live({"K": "new", "SAME": "s"}, kind), safe)
    item = ClusterConfiguration(kind, "settings", "production", current, previous)
    seen = see(item, live({"K": "new", "SAME": "s"}, kind), safe)
    found = diff(seen)
    assert set(found["before"]) == set(found["after"]) == {"K"}
    assert found["before"] != found["after"]
    assert (PLANTED in json.dumps(found)) is shown
    assert seen.change == ([], [], ["K"])
    assert PLANTED not in repr(seen) or kind == "ConfigMap"


def test_values_that_are_no_text_are_left_out_of_what_containers_see() -> None:
    secret = {"kind": "Secret", "data": {"TEXT": "Zm9v", "BYTES": "/w==", "BROKEN": "%"}}
    assert text_values(secret) == {"TEXT": "foo"}
