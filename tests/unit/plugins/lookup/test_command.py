# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup of the next command, as a playbook asks it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleError
from ansible.module_utils.common.collections import ImmutableDict
from ansible_collections.octalume.rollback.plugins.lookup.command import DOCUMENTATION, LookupModule

NAME = "octalume.rollback.command"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of abort.yml, by its name, for one of the environments."""
    arguments = {
        "args": ("octalume.rollback.abort",),
        "inventory": ("inventories/production",),
        "subset": "eu-west",
        "extra_vars": ("version=1.4.2",),
    }
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(arguments))


def ask(*playbooks: str, variables: dict[str, Any] | None = None, **options: Any) -> Any:
    """What the lookup says, with its options as its documentation defines them: that is how Ansible loads it."""
    C.config.initialize_plugin_configuration_definitions("lookup", NAME, yaml.safe_load(DOCUMENTATION)["options"])
    lookup = LookupModule()
    lookup._load_name = NAME
    return lookup.run(list(playbooks), variables or {}, **options)


@pytest.mark.usefixtures("typed")
def test_each_playbook_has_its_command() -> None:
    assert ask("rollback", "restore", version="1.4.2") == [
        f"ansible-playbook octalume.rollback.{playbook} -i inventories/production --limit eu-west -e version=1.4.2"
        for playbook in ("rollback", "restore")
    ]


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("name", ["awx_job_id", "tower_job_id"])
def test_in_awx_it_is_a_template_that_is_launched(name: str) -> None:
    (told,) = ask("restore", variables={name: 7}, version="1.4.2")
    assert told == "launching AWX's job template of playbooks/restore.yml with version 1.4.2"


@pytest.mark.usefixtures("typed")
def test_without_a_version_it_is_refused() -> None:
    with pytest.raises(AnsibleError, match="version"):
        ask("restore")
