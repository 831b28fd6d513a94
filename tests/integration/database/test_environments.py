# SPDX-License-Identifier: GPL-3.0-or-later
"""Several environments in one play: each has data of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.integration.rollback.conftest import ROOT

PLAY = """
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.include_role: {name: octalume.rollback.database, tasks_from: restore}
      vars:
        database_databases: [{name: shop}]
        database_backup_directory: /nowhere
"""


def test_one_backup_is_not_restored_into_several_environments(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    argv = ["ansible-playbook", "-i", "eu-1,us-1,", str(tmp_path / "play.yml"), "-e", "restore_backup=/nowhere/1.dump"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    told = " ".join(done.stdout.split())
    assert done.returncode == 2, done.stdout
    assert "restore_backup names a backup for eu-1, us-1 alike" in told
    assert "-e environments=us-1" in told
