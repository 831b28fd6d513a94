# SPDX-License-Identifier: GPL-3.0-or-later
"""Says which command to type next: as the one that runs was typed, whether it is a file or a name of the collection."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants as C

COLLECTION = "octalume.rollback"
BY_NAME = re.compile(r"\w+\.\w+\.\w+")
VERSION = re.compile(r"version=[\w.+-]+")
WHERE = re.compile(r"environments=[\w.,:&!*-]+")


def sibling(typed: str, playbook: str) -> str:
    """Another playbook of this collection, as ``typed`` names the one that runs; by its name where no file is there."""
    if not typed or BY_NAME.fullmatch(typed):
        return f"{COLLECTION}.{playbook}"
    beside = Path(typed).with_name(f"{playbook}.yml")
    return str(beside) if beside.is_file() else f"{COLLECTION}.{playbook}"


def words(arguments: Mapping[str, Any], playbook: str | None = None) -> list[str]:
    """The command up to its variables, for no more environments than it was typed for.

    ``playbook`` names another one than the one that runs.

    Args:
        arguments: what Ansible made of its command line (``context.CLIARGS``).
    """
    given = arguments.get("args") or ()
    typed = [] if isinstance(given, str) else [str(word) for word in given]  # the command ansible has a pattern there
    found = ["ansible-playbook", *([sibling(typed[0] if typed else "", playbook)] if playbook else typed)]
    for inventory in arguments.get("inventory") or ():
        found += [] if inventory in C.DEFAULT_HOST_LIST else ["-i", str(inventory)]
    return found + (["--limit", str(arguments["subset"])] if arguments.get("subset") else [])


def again(arguments: Mapping[str, Any]) -> str:
    """The command that was typed, as far as it can be shown: variables may hold what is secret.

    A version and the names of environments do not.
    """
    given = arguments.get("extra_vars") or ()
    shown = [text for text in given if VERSION.fullmatch(text) or WHERE.fullmatch(text)]
    found = words(arguments) + (["--check"] if arguments.get("check") else [])
    found += [word for text in shown for word in ("-e", text)]
    return shlex.join(found) + ("" if len(shown) == len(given) else " ... (and the other -e)")


def another(arguments: Mapping[str, Any], playbook: str, version: str) -> str:
    """The command that runs another playbook of this collection for ``version``, in the same environments."""
    where = [word for text in arguments.get("extra_vars") or () if WHERE.fullmatch(text) for word in ("-e", text)]
    return shlex.join([*words(arguments, playbook), "-e", f"version={version}", *where])
