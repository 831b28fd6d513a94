# SPDX-License-Identifier: GPL-3.0-or-later
"""The options the migration modules share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .._kubernetes.adapter import AUTH_ARGUMENTS, connect
from .._kubernetes.client import ApiServer
from .._kubernetes.model import COLLECTIONS
from .._module import Call, RollbackError
from .._postgres.arguments import connection_from, connection_options
from .._postgres.foreign import refuse_address
from .._postgres.model import Connection
from .adapters import ADAPTERS, DEFAULT_COMMANDS
from .client import Here, Place
from .cluster import InCluster
from .job import SECRET, Site
from .model import Tool

JOB: dict[str, dict[str, Any]] = {
    "namespace": {"type": "str", "required": True},
    "workload": {"type": "str"},
    "kind": {"type": "str", "choices": list(COLLECTIONS), "default": "Deployment"},
    "container": {"type": "str"},
    "image": {"type": "str"},
    "labels": {"type": "dict", "default": {}},
    "service_account": {"type": "str"},
    "env": {"type": "list", "elements": "dict", "default": []},
    "env_from": {"type": "list", "elements": "dict", "default": []},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "start_timeout": {"type": "float", "default": 120},
    "ttl": {"type": "int", "default": 3600},
    "connection": {"type": "dict", "default": {}},
}
MIGRATION: dict[str, dict[str, Any]] = {
    "tool": {"type": "str", "choices": sorted(ADAPTERS), "default": "command"},
    "command": {"type": "list", "elements": "str"},
    "chdir": {"type": "path"},
    "environment": {"type": "dict", "default": {}},
    "env_name": {"type": "str"},
    "app": {"type": "str"},
    "down_scripts": {"type": "str"},
    "job": {"type": "dict", "options": JOB, "required_one_of": [["workload", "image"]]},
    **connection_options(required=False),
}
ADDRESSES = ("DATABASE_URL", "FLYWAY_URL", "LIQUIBASE_COMMAND_URL", "SQLALCHEMY_DATABASE_URI")


def tool_from(call: Call) -> Tool:
    """The tool the parameters describe; secrets among its variables are made known to the call."""
    params = call.params
    environment = {str(name): str(value) for name, value in params["environment"].items()}
    call.secrets.update(value for name, value in environment.items() if SECRET.search(name) and len(value) > 3)
    for name, value in environment.items():
        refuse_address(name, value)
    if not params["job"] and not params["login_db"]:  # else the tool is given another address than the one it has here
        for name in ADDRESSES:
            refuse_address(name, os.environ.get(name, ""))
    return Tool(
        command=tuple(params["command"] or DEFAULT_COMMANDS[params["tool"]]),
        chdir=params["chdir"],
        env_name=params["env_name"],
        app=params["app"],
        down_scripts=params["down_scripts"],
        environment=environment,
    )


def optional_connection(params: Mapping[str, Any]) -> Connection | None:
    """The connection, if the parameters name a database."""
    return connection_from(params) if params["login_db"] else None


def place_from(call: Call) -> Place:
    """Where the tool runs: here, or in the cluster of the option ``job``."""
    job = call.params["job"]
    if not job:
        return Here()
    login = dict(job["connection"])
    if unknown := sorted(set(login) - set(AUTH_ARGUMENTS)):
        raise RollbackError(f"job.connection has no option {', '.join(unknown)}; it takes those of kubernetes.core.k8s")
    call.secrets.update(str(login[name]) for name in ("api_key", "password") if login.get(name))
    fields = {name: job[name] for name in Site.__dataclass_fields__}
    labels = {str(name): _as_label(value) for name, value in job["labels"].items()}
    site = Site(**{**fields, "labels": labels, "env": tuple(job["env"]), "env_from": tuple(job["env_from"])})
    return InCluster(ApiServer(connect(login, call.warn)), site, call.progress)


def _as_label(value: object) -> str:
    """A label is a text, and a bare ``true`` in YAML is none."""
    return str(value).lower() if isinstance(value, bool) else str(value)
