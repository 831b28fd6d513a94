# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole rollback whose migrations run as Jobs, with the image of the release that goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.database.conftest import Shop, decided
from tests.integration.rollback.conftest import Operator
from tests.sandbox.process import wait_until

pytestmark = pytest.mark.sandbox


def test_the_release_s_own_image_takes_the_schema_down(operator: Operator, shop: Shop, tmp_path: Path) -> None:
    before = shop.rows()
    endpoints = operator.sandbox.endpoints
    job = {
        "namespace": endpoints["namespace"],
        "workload": "api-server",
        "image": f"{endpoints['shop']['image_prefix']}api-server:1.4.2",
        "host": endpoints["shop"]["database"]["APP_DB_HOST"],
        "connection": "{{ kubernetes_connection }}",
    }
    tool = {"command": ["shop/migrate.sh"], "env_name": "production", "down_scripts": "shop/migrations/*.down.sql"}
    variables = tmp_path / "job.json"
    variables.write_text(json.dumps({"database_migrations": {"shop": {**tool, "job": job}}}))
    output = decided(operator, "-e", f"@{variables}")
    assert "shop went down from 42 to 41 on a copy in" in output
    assert f"loses {len(before['loyalty_accounts'])} rows of public.loyalty_accounts" in output
    assert "down 42 loyalty ... done" in output, "the log of the Job is shown"
    assert endpoints["postgres"]["users"]["owner"]["password"] not in output
    assert shop.schema() == 41
    after = shop.rows()
    assert len(after["orders"]) == len(before["orders"])
    assert "loyalty_accounts" not in after
    cluster = operator.sandbox.cluster
    ours = "app.kubernetes.io/component=migration"
    wait_until(lambda: not cluster.items("Pod", ours) and not cluster.items("Secret", ours), 20, "no trace of the Jobs")
    assert "nothing was changed" in decided(operator, "-e", f"@{variables}")
