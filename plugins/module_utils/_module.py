# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame every module of the collection hangs in: what is asked, what went wrong, and one way to run it.

A module file holds its documentation, an ``ARGUMENTS`` mapping (the keyword arguments of ``AnsibleModule``) and a
function ``run(call) -> result``. The same function runs in a module process (:func:`run_module`) and inside the
control process (``plugin_utils/in_process.py``), so it must not print, exit or read ``AnsibleModule``.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ._http.clear import in_the_clear


class RollbackError(Exception):
    """Something the user has to know: what was wrong, where, and the next thing to do.

    ``details`` become keys of the failed task's result, for people and playbooks to read.
    """

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


def ignore(_message: str) -> None:
    """Drop a message nobody listens for."""


def unfenced() -> None:
    """Let a write pass: no lock was named that would have to be ours."""


def who() -> str:
    """``user@host`` of this process; a user without a name in the password file is told by number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


@dataclass(frozen=True)
class Call:
    """One request to a module: validated parameters and how Ansible wants it done."""

    params: Mapping[str, Any]
    check_mode: bool = False
    diff: bool = False
    warn: Callable[[str], None] = ignore
    progress: Callable[[str], None] = ignore
    caller: str = ""
    """Who asks: ``user@host``, followed by ``/pid`` of the control process where that is known."""
    environment: str = ""
    """The inventory host that the task is for, where that is known."""
    secrets: set[str] = field(default_factory=set)
    """Values that must never be shown, found while running; both runners blank them in the result."""
    fence: Callable[[], None] = unfenced
    """Called before every write; raises :class:`RollbackError` once the lock of the run is somebody else's."""


Run = Callable[[Call], dict[str, Any]]


def failure(error: RollbackError) -> dict[str, Any]:
    """The result of a failed task for ``error``."""
    return {"changed": False, **error.details, "failed": True, "msg": error.message}


LOCAL = ("", "localhost", "127.0.0.1", "::1")
VERIFIED = ("verify-ca", "verify-full")


def insecurities(params: Mapping[str, Any]) -> list[str]:
    """What the parameters of a module leave unprotected on the wire, in sentences."""
    found = []
    if params.get("validate_certs") is False and "kubeconfig" not in params:  # a kubeconfig may say so too: see connect
        found.append("validate_certs is off: whoever is in between can read and change everything, logins included")
    host = str(params.get("login_host") or "")
    if "ssl_mode" in params and params["ssl_mode"] not in VERIFIED and host not in LOCAL and not host.startswith("/"):
        found.append(f"ssl_mode is {params['ssl_mode']} for {host}: the server is not verified; verify-full does")
    found += [
        f"a secret is sent to {server} over plain http://: whoever is in between can read and use it; write https://"
        for server in in_the_clear(params)
    ]
    return found


def execute(run: Run, call: Call) -> dict[str, Any]:
    """Run ``run``; with the option ``lock``, the lock of the whole run is kept meanwhile and fences every write."""
    for text in insecurities(call.params):
        call.warn(f"NOT SECURE: {text}")
    lock = call.params.get("lock")
    if not lock or call.check_mode:
        return run(call)
    from ._release.fence import fence_of  # hangs in this frame itself

    fence = fence_of(lock)
    fence.keep()
    return run(replace(call, fence=fence))


def run_module(arguments: Mapping[str, Any], run: Run) -> None:
    """Run ``run`` as an ordinary Ansible module process."""
    from ansible.module_utils.basic import AnsibleModule

    module = AnsibleModule(**arguments)
    secrets: set[str] = set()
    call = Call(
        params=module.params,
        check_mode=module.check_mode,
        diff=module._diff,
        warn=module.warn,
        caller=who(),
        secrets=secrets,
    )
    try:
        result = execute(run, call)
    except RollbackError as error:
        result = failure(error)
    module.no_log_values.update(secrets)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)
