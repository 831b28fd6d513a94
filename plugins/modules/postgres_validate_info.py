#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check that a PostgreSQL database's data are whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_validate_info
short_description: Check that a PostgreSQL database's data are whole
version_added: 0.1.0
author: The octalume.rollback authors (@octalume)
description:
  - Runs SQL assertions, compares every table with the manifest of a backup, and runs a script, and gives each a
    verdict.
  - Assertions and comparisons see one snapshot of a read-only transaction.
  - The task succeeds whatever the verdict is, so that the one who asked decides. RV(verdict) is the worst of all.
options:
  manifest:
    description:
      - Path of a backup's manifest (C(<path of the backup>.json)) or of the backup itself.
      - Every table and column of it that is still there must have the recorded row count and checksum. Tables and
        columns that are gone are told in RV(tables_gone) and RV(columns_gone) and are no failure.
    type: path
  schema_fingerprint:
    description: The fingerprint the schema must have, as RV(schema_fingerprint) or
      M(octalume.rollback.postgres_backup) told it.
    type: str
  script:
    description:
      - Words of a program, run without a shell, which ends with 0 if the data are whole.
      - It finds the database by C(PGHOST) and its companions.
    type: list
    elements: str
    default: []
  chdir:
    description: Directory to run O(script) in.
    type: path
  timeout:
    description: Seconds each query, and the script, may take.
    type: float
    default: 600
extends_documentation_fragment:
  - octalume.rollback.attributes.info
  - octalume.rollback.postgres.database
  - octalume.rollback.postgres
  - octalume.rollback.postgres.checks
  - octalume.rollback.lock
"""

EXAMPLES = r"""
- name: Is everything still there
  octalume.rollback.postgres_validate_info:
    login_host: db.example.com
    login_user: shop_owner
    login_password: "{{ vault_shop_password }}"
    login_db: shop
    manifest: /var/backups/shop/1.4.2.dump.json
    ignore_tables: [schema_migrations, sessions]
    assertions:
      - name: every order has a product
        query: SELECT count(*) FROM orders LEFT JOIN products p ON p.id = product_id WHERE p.id IS NULL
        expect: 0
      - name: there are products
        query: SELECT count(*) FROM products
        expect: ">= 1"
    script: [./scripts/validate-data.sh]
    chdir: /srv/shop
  register: data
  failed_when: data.verdict != 'pass'
"""

RETURN = r"""
verdict:
  description: The worst of RV(checks), V(error), V(fail), V(inconclusive) or V(pass). V(inconclusive) if nothing was
    checked.
  returned: success
  type: str
checks:
  description: Per assertion, table, and script its C(name), C(verdict), C(expected), C(found) and a C(message).
  returned: success
  type: list
  elements: dict
  sample:
    - {"name": "there are products", "verdict": "pass", "expected": ">= 1", "found": 50, "message": ""}
tables_gone:
  description: Tables of the manifest that are not there any more.
  returned: success
  type: list
  elements: str
columns_gone:
  description: Columns (C(schema.table.column)) of surviving tables that are not there any more.
  returned: success
  type: list
  elements: str
columns_renamed:
  description: Columns that are gone but whose values all stand in a new column of their table, with its name.
  returned: success
  type: dict
  sample: {"public.products.list_price_cents": "price_cents"}
schema_fingerprint:
  description: SHA-256 over one line per schema object.
  returned: success
  type: str
"""

from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._postgres import archive
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.arguments import (
    CHECKS,
    connection_from,
    connection_options,
)
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.evaluate import overall
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.validate import Wanted, validate
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        **connection_options(),
        **CHECKS,
        "manifest": {"type": "path"},
        "schema_fingerprint": {"type": "str"},
        "script": {"type": "list", "elements": "str", "default": []},
        "chdir": {"type": "path"},
        "timeout": {"type": "float", "default": 600},
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Check and tell."""
    params = call.params
    manifest = None
    if params["manifest"]:
        manifest = archive.read_manifest(Path(params["manifest"].removesuffix(".json")))
    found = validate(
        connection_from(params),
        Wanted(
            assertions=params["assertions"],
            manifest=manifest,
            ignore=params["ignore_tables"],
            fingerprint=params["schema_fingerprint"],
            script=params["script"],
            chdir=params["chdir"],
            timeout=params["timeout"],
        ),
    )
    return {
        "changed": False,
        "verdict": overall(found.checks),
        "checks": [check.__dict__ for check in found.checks],
        "tables_gone": list(found.gone.tables_gone),
        "columns_gone": [name for name in found.gone.columns_gone if name not in found.renamed],
        "columns_renamed": found.renamed,
        "schema_fingerprint": found.schema_fingerprint,
    }


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
