# SPDX-License-Identifier: GPL-3.0-or-later
"""How a command in a pod ended, from what the kubelet says on the error channel."""

from __future__ import annotations

import json

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.channel import how_it_ended

CONTAINERD = "error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec"


@pytest.mark.parametrize(
    ("told", "end"),
    [
        ({"metadata": {}, "status": "Success"}, ""),
        (
            {
                "status": "Failure",
                "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": "127"}]},
            },
            "exit code 127",
        ),
        ({"status": "Failure", "reason": "NonZeroExitCode"}, "it failed"),
        (
            {
                "status": "Failure",
                "reason": "InternalError",
                "code": 500,
                "details": {"causes": [{"message": CONTAINERD}]},
            },
            "the command could not be started",
        ),
        ({"status": "Failure", "message": "geheim"}, "the command could not be started"),
        ("", "the connection ended before the command did"),
        ("no JSON", "the connection ended before the command did"),
        ([], "the connection ended before the command did"),
    ],
)
def test_only_a_status_that_says_success_is_one(told: object, end: str) -> None:
    assert how_it_ended((told if isinstance(told, str) else json.dumps(told)).encode()) == end
