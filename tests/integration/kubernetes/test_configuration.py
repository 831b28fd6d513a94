# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration is compared in Secrets and in running pods, and no value of it ever appears."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._digest import digest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.integration.kubernetes.conftest import Json, Namespace

KEY = "key-of-the-run"
OLD = {"APP_URL": "postgres://shop:hunter2@db/shop?x=1", "APP_TEXT": "zwei\nZeilen = grün", "APP_EMPTY": ""}
NEW = {**OLD, "APP_URL": "postgres://shop:swordfish@db/shop"}


def secret(values: dict[str, str]) -> Json:
    return {"data": {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}}


@pytest.fixture
def configured(namespace: Namespace) -> Namespace:
    """Two pods that run with the new configuration."""
    namespace.create("Secret", "app-config", secret({**NEW, "APP_FLAG": "1"}))
    namespace.deploy(container={"envFrom": [{"secretRef": {"name": "app-config"}}]})
    namespace.settle()
    return namespace


def look(namespace: Namespace, targets: list[Json], expected: dict[str, str], **params: Any) -> Json:
    digests = {name: digest(KEY, value) for name, value in expected.items()}
    params |= {"digests": digests, "digest_key": KEY, "prefix": "APP_"}
    targets = [{"namespace": namespace.name, **target} for target in targets]
    result = namespace.call("configuration_info", targets=targets, **params)
    text = json.dumps(result)
    assert not [value for value in (*OLD.values(), *NEW.values(), "hunter2", "swordfish") if value and value in text]
    return result


def test_secret_and_every_pod_are_compared(configured: Namespace) -> None:
    both = [{"secret": "app-config"}, {"name": "api"}]
    good = look(configured, both, NEW)
    assert good["verdict"] == "pass"
    assert [entry["pods"] for entry in good["targets"]] == [0, 2]
    assert good["targets"][1]["matched"] == sorted(NEW)
    assert good["targets"][1]["unexpected"] == ["APP_FLAG"]
    bad = look(configured, both, {**OLD, "APP_GONE": "1"})
    assert bad["verdict"] == "fail"
    for entry in bad["targets"]:
        assert (entry["differing"], entry["missing"]) == (["APP_URL"], ["APP_GONE"])


def test_a_changed_secret_reaches_the_pods_with_their_restart(configured: Namespace) -> None:
    """ConfigMaps and Secrets are not versioned by a rollback: the old app meets the new configuration."""
    configured.patch("Secret", "app-config", secret(OLD))
    assert look(configured, [{"secret": "app-config"}], OLD)["verdict"] == "pass"
    assert look(configured, [{"name": "api"}], OLD)["verdict"] == "fail"
    configured.rollout("restarted")
    assert look(configured, [{"name": "api"}], OLD)["verdict"] == "pass"


def test_it_waits_until_the_secret_arrives(namespace: Namespace) -> None:
    namespace.create("Secret", "app-config", secret(NEW))
    change = threading.Timer(1.0, lambda: namespace.patch("Secret", "app-config", secret(OLD)))
    change.start()
    assert look(namespace, [{"secret": "app-config"}], OLD, timeout=10)["verdict"] == "pass"
    change.join()


def test_what_cannot_be_looked_at_is_an_error_and_not_a_difference(configured: Namespace) -> None:
    result = look(configured, [{"secret": "gone"}, {"name": "api", "container": "other"}, {"name": "ghost"}], OLD)
    assert result["verdict"] == "error"
    assert [entry["verdict"] for entry in result["targets"]] == ["error"] * 3
    assert "not found" in result["targets"][0]["error"]
    assert "container other" in result["targets"][1]["error"]
    configured.scale(0)
    configured.until(lambda: not configured.pods())
    [nobody] = look(configured, [{"name": "api"}], OLD)["targets"]
    assert (nobody["verdict"], nobody["error"]) == ("error", "it has no running pod to look into")


def test_comparing_nothing_proves_nothing(namespace: Namespace) -> None:
    with pytest.raises(RollbackError, match="digests is empty"):
        look(namespace, [{"secret": "app-config"}], {})
