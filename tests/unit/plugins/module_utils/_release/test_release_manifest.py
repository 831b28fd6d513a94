# SPDX-License-Identifier: GPL-3.0-or-later
"""The module release_manifest: what it says, what it writes, and when it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError
from ansible_collections.octalume.rollback.plugins.modules import release_manifest


def run(directory: Path, image: str, *, check: bool = False, **params: Any) -> dict[str, Any]:
    """One call as Ansible makes it."""
    place = {"kind": "Deployment", "name": "api", "namespace": "production"}
    live = {"images": {"main": image}, "containers": {"main": image}, "replicas": 3, "preceding": None}
    given = {
        "directory": str(directory),
        "version": "1.4.1",
        "service": "shop",
        "workloads": [{**place, **live}],
        **params,
    }
    validated = ArgumentSpecValidator(release_manifest.ARGUMENTS["argument_spec"]).validate(given)
    assert not validated.error_messages
    return release_manifest.run(Call(validated.validated_parameters, check_mode=check, caller="ann@here/7"))


def test_check_mode_predicts_what_a_run_does_and_a_second_run_does_nothing(tmp_path: Path) -> None:
    predicted = run(tmp_path, "shop:1.4.1", check=True)
    assert predicted["changed"]
    assert list(tmp_path.iterdir()) == []
    done = run(tmp_path, "shop:1.4.1")
    assert done == predicted
    path = tmp_path / "1.4.1.yml"
    assert path.read_text() == done["diff"]["after"]
    stamp = path.stat().st_mtime_ns
    again = run(tmp_path, "shop:1.4.1")
    assert not again["changed"]
    assert "diff" not in again
    assert path.stat().st_mtime_ns == stamp


def test_the_result_says_what_the_release_changed_and_brought(tmp_path: Path) -> None:
    run(tmp_path, "shop:1.4.1")
    databases = [{"name": "shop", "current": "42"}]
    done = run(tmp_path, "shop:1.4.2", version="1.4.2", service=None, databases=databases)
    assert done["previous"] == "1.4.1"
    assert done["differing"] == ["database shop", "deployment/api"]
    assert done["brought"] == ["database shop"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"version": "../../etc/passwd"}, "is not a release version"),
        ({"service": None}, "-e record_service=NAME"),
        ({"workloads": []}, "there is nothing to roll back"),
        (
            {"configurations": [{"path": "app", "current": 0, "state": "missing"}]},
            "the secret secret/app in Vault is missing",
        ),
    ],
)
def test_what_cannot_be_recorded_is_told_and_nothing_is_written(
    tmp_path: Path, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(RollbackError, match=message):
        run(tmp_path, "shop:1.4.1", **params)
    assert list(tmp_path.iterdir()) == []
