# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a run, in a process of its own: ``python -m tests.chaos.holder`` with the step as JSON on its input."""

from __future__ import annotations

import importlib
import json
import sys

from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.chaos.matrix import ask


def main() -> None:
    """Run ``{module, params}`` and print what came of it."""
    step = json.load(sys.stdin)
    module = importlib.import_module(f"ansible_collections.octalume.rollback.plugins.modules.{step['module']}")
    print("begins", flush=True)
    try:
        print(json.dumps(ask(module, step["params"]), default=str))
    except RollbackError as error:
        print(json.dumps({"failed": True, "msg": error.message}))


if __name__ == "__main__":
    main()
