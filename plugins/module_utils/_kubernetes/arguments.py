# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments that several modules share; documented by the fragment ``octalume.rollback.kubernetes``."""

from __future__ import annotations

from typing import Any

from .model import COLLECTIONS

WORKLOADS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "required": True,
    "options": {
        "kind": {"type": "str", "choices": list(COLLECTIONS), "default": "Deployment"},
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "containers": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "name": {"type": "str", "required": True},
                "current": {"type": "str"},
                "previous": {"type": "str"},
            },
        },
        "template": {"type": "dict"},
    },
}
