# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module and role has what its users and its neighbours count on."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py") if path.stem != "__init__")
# Their module is documentation alone: they read what only a play knows.
ACTIONS = {"validate_variables"}
RUNNING = [name for name in MODULES if name not in ACTIONS]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
RUNTIME = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
TESTS = "\n".join(
    path.read_text() for folder in ("unit/plugins", "integration") for path in (ROOT / "tests" / folder).rglob("*.py")
)


def module(name: str) -> Any:
    """The Python module of an Ansible module."""
    return importlib.import_module(f"ansible_collections.octalume.rollback.plugins.modules.{name}")


def groups_of(name: str) -> set[str]:
    """Action groups that hold a module, by themselves or through a group they extend."""
    groups = RUNTIME["action_groups"]
    found = {group for group, members in groups.items() if name in members}
    while True:
        wider = {
            group
            for group, members in groups.items()
            for member in members
            if isinstance(member, dict) and found & set(member["metadata"]["extend_group"])
        }
        if wider <= found:
            return found
        found |= wider


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_documented_in_full(name: str) -> None:
    found = module(name)
    documentation = yaml.safe_load(found.DOCUMENTATION)
    assert documentation["module"] == name
    assert documentation["version_added"]
    assert any("octalume.rollback.attributes" in item for item in documentation["extends_documentation_fragment"])
    examples = yaml.safe_load(found.EXAMPLES)
    assert examples
    assert any(f"octalume.rollback.{name}" in task for task in examples)
    assert all("name" in task for task in examples)
    assert yaml.safe_load(found.RETURN)


@pytest.mark.parametrize("name", RUNNING)
def test_a_module_is_thin(name: str) -> None:
    source = (ROOT / f"plugins/modules/{name}.py").read_text()
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    assert {"run", "main"} <= {function.name for function in functions}
    longest = max(functions, key=lambda function: (function.end_lineno or 0) - function.lineno)
    assert (longest.end_lineno or 0) - longest.lineno <= 45, longest.name


@pytest.mark.parametrize("name", RUNNING)
def test_a_module_runs_in_the_control_process_too(name: str) -> None:
    plugin = importlib.import_module(f"ansible_collections.octalume.rollback.plugins.action.{name}")
    assert plugin.ActionModule.module is module(name)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_in_the_group_of_all(name: str) -> None:
    assert "rollback" in groups_of(name)


@pytest.mark.parametrize("name", RUNNING)
def test_a_module_supports_check_mode(name: str) -> None:
    assert module(name).ARGUMENTS["supports_check_mode"] is True


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_tested_by_name(name: str) -> None:
    assert re.search(rf"\b{name}\b", TESTS)


def test_no_group_names_a_module_that_is_not_there() -> None:
    named = {member for members in RUNTIME["action_groups"].values() for member in members if isinstance(member, str)}
    assert named == set(MODULES)


@pytest.mark.parametrize("name", ROLES)
def test_a_role_says_what_it_takes(name: str) -> None:
    role = ROOT / "roles" / name
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    assert "main" in specs
    documented = {option for entry in specs.values() for option in entry.get("options") or {}}
    assert all(option.startswith(f"{name}_") for option in documented)
    defaults = set(yaml.safe_load((role / "defaults/main.yml").read_text()) or {})
    assert {variable for variable in defaults if not variable.startswith("__")} <= documented
    assert (role / "README.md").read_text().startswith("<!-- SPDX")


def test_every_file_names_its_licence() -> None:
    kinds = ("*.py", "*.yml", "*.yaml", "*.sh", "*.j2")
    folders = ("plugins", "roles", "playbooks", "inventories", "meta", "tests", "extensions")
    found = [path for folder in folders for kind in kinds for path in (ROOT / folder).rglob(kind)]
    unmarked = [
        str(path.relative_to(ROOT))
        for path in found
        if path.suffix != ".j2"
        and "collections" not in path.parts
        and "fixtures" not in path.parts
        and "SPDX-License-Identifier" not in path.read_text()[:400]
    ]
    assert unmarked == []
