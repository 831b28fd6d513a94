# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments that several modules share; documented by the fragment ``octalume.rollback.configuration``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._release.model import ClusterConfiguration, Content

CONTENT: dict[str, Any] = {
    "type": "dict",
    "options": {
        "digest": {"type": "str"},
        "data": {"type": "dict", "default": {}},
        "binary_data": {"type": "dict", "default": {}},
        "encrypted": {"type": "str", "no_log": False},
        "type": {"type": "str"},
        "immutable": {"type": "bool", "default": False},
    },
}
CONFIGURATIONS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "kind": {"type": "str", "choices": ["ConfigMap", "Secret"], "required": True},
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "consumers": {"type": "list", "elements": "str", "default": []},
        "current": CONTENT,
        "previous": CONTENT,
    },
}
VAULT_PASSWORD: dict[str, Any] = {
    # Names of a file and of a label: no secrets.
    "vault_password_file": {"type": "path", "no_log": False},
    "vault_id": {"type": "str"},
}


def configurations_from(params: Sequence[Mapping[str, Any]]) -> list[ClusterConfiguration]:
    """The manifest's entries out of a module's validated arguments."""
    return [
        ClusterConfiguration(
            kind=item["kind"],
            name=item["name"],
            namespace=item["namespace"],
            current=_content(item["current"]),
            previous=_content(item["previous"]),
            consumers=tuple(item["consumers"]),
        )
        for item in params
    ]


def _content(params: Mapping[str, Any] | None) -> Content | None:
    if params is None:
        return None
    return Content(
        digest=params["digest"] or "",
        data={key: str(value) for key, value in params["data"].items()},
        binary_data={key: str(value) for key, value in params["binary_data"].items()},
        encrypted=params["encrypted"],
        type=params["type"],
        immutable=params["immutable"],
    )
