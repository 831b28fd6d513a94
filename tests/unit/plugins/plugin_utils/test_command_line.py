# SPDX-License-Identifier: GPL-3.0-or-later
"""The next command to type: as the one that runs was typed, for no more environments, and without a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible import constants as C
from ansible_collections.octalume.rollback.plugins.plugin_utils.command_line import again, another, sibling, words

TYPED = {"args": ("playbooks/rollback.yml",), "extra_vars": ("version=1.4.2",)}


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, "ansible-playbook playbooks/rollback.yml -e version=1.4.2"),
        (
            {"args": ("octalume.rollback.plan",), "inventory": ("a b",), "check": True},
            "ansible-playbook octalume.rollback.plan -i 'a b' --check -e version=1.4.2",
        ),
        (
            {"extra_vars": ("version=1.4.2", "vault_token=s3cret")},
            "ansible-playbook playbooks/rollback.yml -e version=1.4.2 ... (and the other -e)",
        ),
        ({"extra_vars": ()}, "ansible-playbook playbooks/rollback.yml"),
        ({"subset": "eu-west"}, "ansible-playbook playbooks/rollback.yml --limit eu-west -e version=1.4.2"),
        ({"subset": "eu:!eu-2"}, "ansible-playbook playbooks/rollback.yml --limit 'eu:!eu-2' -e version=1.4.2"),
        (
            {"extra_vars": ("version=1.4.2", "environments=eu-west,eu-2")},
            "ansible-playbook playbooks/rollback.yml -e version=1.4.2 -e environments=eu-west,eu-2",
        ),
        (
            {"extra_vars": ("version=1.4.2", "environments={{ lookup('env', 'TOKEN') }}")},
            "ansible-playbook playbooks/rollback.yml -e version=1.4.2 ... (and the other -e)",
        ),
        (
            {"subset": None, "inventory": None, "check": False},
            "ansible-playbook playbooks/rollback.yml -e version=1.4.2",
        ),
    ],
)
def test_the_same_command_is_told_without_what_may_be_secret(more: dict[str, Any], wanted: str) -> None:
    assert again({**TYPED, **more}) == wanted


def test_another_playbook_runs_in_the_same_environments() -> None:
    typed = {
        "args": ("octalume.rollback.abort",),
        "inventory": ("inventories/production",),
        "subset": "eu-west",
        "extra_vars": ("version=1.4.2", "environments=eu-west", "vault_token=s3cret"),
    }
    assert another(typed, "restore", "1.4.2") == (
        "ansible-playbook octalume.rollback.restore -i inventories/production --limit eu-west -e version=1.4.2 "
        "-e environments=eu-west"
    )


def test_another_playbook_is_a_file_where_one_lies_beside_and_a_name_elsewhere(tmp_path: Path) -> None:
    for name in ("rollback", "restore"):
        (tmp_path / f"{name}.yml").touch()
    typed = str(tmp_path / "rollback.yml")
    assert sibling(typed, "restore") == str(tmp_path / "restore.yml")
    assert sibling(typed, "abort") == "octalume.rollback.abort"
    assert sibling("octalume.rollback.rollback", "restore") == "octalume.rollback.restore"
    assert sibling(str(tmp_path / "site.yml"), "restore") == str(tmp_path / "restore.yml")
    assert sibling("", "restore") == "octalume.rollback.restore"


def test_an_inventory_that_nobody_typed_is_not_told() -> None:
    assert words({"args": ("a.yml",), "inventory": C.DEFAULT_HOST_LIST}) == ["ansible-playbook", "a.yml"]
    assert words({"args": ("a.yml",), "inventory": ["hosts"]}) == ["ansible-playbook", "a.yml", "-i", "hosts"]
    assert words({}) == ["ansible-playbook"]
    assert words({"args": "localhost"}, "plan") == ["ansible-playbook", "octalume.rollback.plan"]
