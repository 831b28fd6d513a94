# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance goes on and off, and traffic never goes to pods of which none is ready."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.integration.kubernetes.conftest import Json, Namespace

SELECTOR = "rollback.octalume.io/selector"


@pytest.fixture
def shop(namespace: Namespace) -> Namespace:
    """A Service on a Deployment, and a Deployment with the maintenance page."""
    namespace.deploy(replicas=1)
    namespace.deploy("maintenance", replicas=1)
    ports = [{"port": 80, "targetPort": 8080}]
    namespace.create("Service", "api", {"spec": {"selector": {"app": "api"}, "ports": ports}})
    namespace.settle()
    namespace.settle("maintenance")
    return namespace


def switch(namespace: Namespace, state: str, **params: Any) -> Json:
    service = {"name": "api", "namespace": namespace.name, "selector": {"app": "maintenance"}}
    return namespace.call("maintenance", state=state, service=service, timeout=1, **params)


def test_maintenance_goes_on_and_off_once(shop: Namespace) -> None:
    on = switch(shop, "present")
    assert (on["changed"], on["enabled"]) == (True, True)
    live = shop.get("Service", "api")
    assert live["spec"]["selector"] == {"app": "maintenance"}
    assert json.loads(live["metadata"]["annotations"][SELECTOR]) == {"app": "api"}
    assert not switch(shop, "present")["changed"]
    off = switch(shop, "absent")
    assert (off["changed"], off["enabled"]) == (True, False)
    live = shop.get("Service", "api")
    assert live["spec"]["selector"] == {"app": "api"}
    assert SELECTOR not in live["metadata"].get("annotations", {})
    assert not switch(shop, "absent")["changed"]


@pytest.mark.parametrize(("empty", "state"), [("maintenance", "present"), ("api", "absent")])
def test_traffic_is_never_sent_to_nobody(shop: Namespace, empty: str, state: str) -> None:
    """Traffic that moved before the pods were ready was an outage."""
    if state == "absent":
        switch(shop, "present")
    before = shop.get("Service", "api")["spec"]["selector"]
    shop.patch("Deployment", empty, {"spec": {"replicas": 0}})
    shop.until(lambda: not shop.addresses(empty))
    with pytest.raises(RollbackError, match=f"no ready pod has the labels app={empty} .*kubectl"):
        switch(shop, state)
    assert shop.get("Service", "api")["spec"]["selector"] == before


def test_endpoints_that_were_made_by_hand_are_never_replaced(shop: Namespace) -> None:
    """A Service without a selector: the controller would write its Endpoints anew, and nothing brings them back."""
    shop.create("Service", "legacy", {"spec": {"ports": [{"port": 80}]}})
    service = {"name": "legacy", "namespace": shop.name, "selector": {"app": "maintenance"}}
    with pytest.raises(RollbackError, match=r"Service \S+/legacy selects no pods.*nothing was changed"):
        shop.call("maintenance", state="present", service=service, timeout=1)
    assert "selector" not in shop.get("Service", "legacy")["spec"]
    assert not shop.call("maintenance", state="absent", service=service, timeout=1)["changed"]


def test_a_switch_that_was_turned_back_is_set_again_and_told(shop: Namespace) -> None:
    switch(shop, "present")
    shop.patch("Service", "api", {"spec": {"selector": {"app": "api"}}})
    assert switch(shop, "present")["changed"]
    assert shop.get("Service", "api")["spec"]["selector"] == {"app": "maintenance"}
    assert any("was in maintenance, and was turned to" in text for text in shop.warned)
    switch(shop, "absent")
    assert shop.get("Service", "api")["spec"]["selector"] == {"app": "api"}


def test_check_mode_tells_and_leaves_alone(shop: Namespace) -> None:
    result = switch(shop, "present", check=True)
    assert result["changed"]
    assert result["diff"]["after"]["selector"] == {"app": "maintenance"}
    assert shop.get("Service", "api")["spec"]["selector"] == {"app": "api"}


def test_a_config_map_is_a_switch_too(namespace: Namespace) -> None:
    namespace.create("ConfigMap", "flags", {"data": {"maintenance": "off", "other": "x"}})
    values = {"key": "maintenance", "value_on": "on", "value_off": "off"}
    config_map = {"name": "flags", "namespace": namespace.name, **values}
    assert namespace.call("maintenance", state="present", config_map=config_map)["changed"]
    assert namespace.get("ConfigMap", "flags")["data"] == {"maintenance": "on", "other": "x"}
    assert not namespace.call("maintenance", state="present", config_map=config_map)["changed"]
    assert namespace.call("maintenance", state="absent", config_map=config_map)["changed"]
    assert not namespace.call("maintenance", state="absent", config_map=config_map)["changed"]
