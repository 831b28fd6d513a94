# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what modules really return, all through the test suite, with what their RETURN says that they do.

Whoever runs a module tells its result to :func:`seen`; playbooks do by the callback beside this file. What is kept is
the shape of a result: its keys and the types of their values. When the suite is over, :func:`problems` judges them all.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

FOLDER = "OCTALUME_RETURNED"  # the variable that names the folder shapes are kept in; unset: nothing is kept
HERE = Path(__file__).parent
# What Ansible itself knows or adds to a result, to one of an asynchronous task, and to one of a loop.
COMMON = {
    *("changed", "failed", "msg", "diff", "warnings", "deprecations", "exception", "invocation", "attempts", "retries"),
    *("skipped", "skip_reason", "false_condition", "ansible_facts", "censored"),
    *("ansible_job_id", "started", "finished", "results_file", "stdout", "stdout_lines", "stderr", "stderr_lines"),
}
LOOP = ("ansible_loop_var", "ansible_index_var")  # each holds the name of a variable that the result holds as well
# Whoever finds one of these cannot tell a success from a failure.
UNCERTAIN = {"skipped", "censored", "failed_when_result"}
PROMISED = ("always", "success")
TYPES: Mapping[str, tuple[str, ...]] = {
    "str": ("str",), "path": ("str",), "int": ("int",), "float": ("float", "int"), "bool": ("bool",), "dict": ("dict",),
    "list": ("list",), "raw": ("str", "int", "float", "bool", "dict", "list"),
}  # fmt: skip

Json = dict[str, Any]


def environment(folder: Path) -> dict[str, str]:
    """Variables by which every playbook that is started from now on keeps the shapes of its results."""
    return {
        FOLDER: str(folder),
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
        "ANSIBLE_CALLBACKS_ENABLED": "returned",
    }


def shape_of(value: Any) -> Any:
    """``{key: shape}`` of a mapping, the different shapes of the entries of a list, or the name of a type."""
    if isinstance(value, Mapping):
        return {str(key): shape_of(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        distinct = {json.dumps(shape_of(one), sort_keys=True) for one in value}
        return [json.loads(text) for text in sorted(distinct)]
    names = ((bool, "bool"), (str, "str"), (int, "int"), (float, "float"), (type(None), "none"))
    return next((name for kind, name in names if isinstance(value, kind)), type(value).__name__)


def seen(module: ModuleType | str, result: Mapping[str, Any]) -> None:
    """Keep the shape of a result, unless the task failed, was skipped, keeps silent or goes on in the background."""
    folder = os.environ.get(FOLDER)
    if not folder or result.get("failed") or result.keys() & UNCERTAIN or result.get("finished") == 0:
        return
    name = (module if isinstance(module, str) else module.__name__).rpartition(".")[2]
    added = {*COMMON, *LOOP, *(result[key] for key in LOOP if key in result)}
    own = {key: value for key, value in result.items() if key not in added and not key.startswith("_ansible")}
    with (Path(folder) / f"{os.getpid()}.jsonl").open("a") as file:
        file.write(json.dumps([name, shape_of(own)], sort_keys=True) + "\n")


def collected(folder: Path) -> dict[str, list[Json]]:
    """Every module that was seen, and the different shapes of its results."""
    lines = {line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()}
    found: dict[str, list[Json]] = {}
    for name, shape in map(json.loads, sorted(lines)):
        found.setdefault(name, []).append(shape)
    return found


def documentation(module: str) -> Json:
    """What RETURN says."""
    found = importlib.import_module(f"ansible_collections.octalume.rollback.plugins.modules.{module}")
    returned: Json = yaml.safe_load(found.RETURN)
    return returned


def differences(said: Mapping[str, Any], shape: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """What ``shape`` has that is not documented, lacks although it is promised, or has of another type."""
    for key in sorted(set(shape) - set(said)):
        yield f"{where}{key} is not documented"
    for key, entry in said.items():
        if key not in shape:
            if entry.get("returned") in PROMISED:
                yield f"{where}{key} is promised ({entry['returned']}), and is not there"
            continue
        kind = "dict" if isinstance(shape[key], dict) else "list" if isinstance(shape[key], list) else shape[key]
        if kind not in (*TYPES[entry["type"]], "none"):
            yield f"{where}{key} is {kind}, documented as {entry['type']}"
        elif "contains" in entry:
            for one in shape[key] if kind == "list" else [shape[key]] if kind == "dict" else []:
                if isinstance(one, dict):
                    yield from differences(entry["contains"], one, f"{where}{key}.")


def problems(folder: Path) -> list[str]:
    """Everything in which documentation and results differ, a sentence each."""
    return sorted(
        {
            f"{module}: {difference}"
            for module, shapes in collected(folder).items()
            for shape in shapes
            for difference in differences(documentation(module), shape)
        }
    )


def unseen(folder: Path) -> list[str]:
    """The modules of which there is no result."""
    modules = {path.stem for path in (HERE.parents[1] / "plugins/modules").glob("[a-z]*.py")}
    return [f"{name}: no test has run it" for name in sorted(modules - set(collected(folder)))]
