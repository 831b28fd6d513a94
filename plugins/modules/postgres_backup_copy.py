#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copy a backup to or from an S3 bucket."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_backup_copy
short_description: Copy a PostgreSQL backup to or from an S3 bucket
version_added: 0.1.0
author: The octalume.rollback authors (@octalume)
description:
  - Copies a backup of M(octalume.rollback.postgres_backup) and its manifest, so that it outlives the host it was
    taken on.
  - The archive is uploaded in parts, then read back and compared with its SHA-256; the manifest is written last, so
    that a copy that broke off is never taken for a backup.
  - A copy that is there already is verified, and made again only if it is damaged.
options:
  path:
    description: The backup here, of O(octalume.rollback.postgres_backup#module:format=custom).
    type: path
    required: true
  url:
    description: The backup there, C(s3://bucket/key). The manifest is C(s3://bucket/key.json).
    type: str
    required: true
  direction:
    description: Which way to copy.
    type: str
    choices: [upload, download]
    default: upload
  endpoint_url:
    description: Address of an S3 service other than that of AWS.
    type: str
  access_key:
    description: Without it, and O(secret_key), they are found as the AWS tools find them.
    type: str
  secret_key:
    description: The secret that belongs to O(access_key).
    type: str
  region:
    description: Region of the bucket.
    type: str
  timeout:
    description: Seconds that the whole copy may take, reading it back included.
    type: float
    default: 3600
requirements:
  - boto3 (Python library)
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.lock
"""

EXAMPLES = r"""
- name: Keep the backup where it outlives this host
  octalume.rollback.postgres_backup_copy:
    path: /var/backups/shop/1.4.2.dump
    url: s3://backups/shop/1.4.2.dump
    endpoint_url: https://s3.example.com

- name: Fetch it for a restore
  octalume.rollback.postgres_backup_copy:
    path: /var/tmp/1.4.2.dump
    url: s3://backups/shop/1.4.2.dump
    direction: download
"""

RETURN = r"""
url:
  description: The backup there.
  returned: success
  type: str
path:
  description: The backup here.
  returned: success
  type: str
size:
  description: Bytes of the archive.
  returned: success
  type: int
sha256:
  description: Of the archive, the same on both sides.
  returned: success
  type: str
"""

from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._deadline import within
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._postgres import archive
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.model import Manifest
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.objects import Place, Store
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        "path": {"type": "path", "required": True},
        "url": {"type": "str", "required": True},
        "direction": {"type": "str", "choices": ["upload", "download"], "default": "upload"},
        "endpoint_url": {"type": "str"},
        "access_key": {"type": "str", "no_log": False},
        "secret_key": {"type": "str", "no_log": True},
        "region": {"type": "str"},
        "timeout": {"type": "float", "default": 3600},
    },
    "required_together": [["access_key", "secret_key"]],
    "supports_check_mode": True,
}


def upload(call: Call, store: Store, path: Path) -> tuple[bool, Manifest]:
    """Whether anything had to be copied, and the backup's manifest."""
    manifest = archive.read_manifest(path)
    if manifest.format != "custom":
        raise RollbackError(f"{path} is a directory, only backups of format custom can be copied to S3")
    archive.verify_bytes(path, manifest)
    if store.manifest() == manifest:
        try:
            store.verify(manifest)
            return False, manifest
        except RollbackError as damage:
            call.warn(damage.message)
    if not call.check_mode:
        store.upload(path, manifest, call.fence)
    return True, manifest


def download(call: Call, store: Store, path: Path) -> tuple[bool, Manifest]:
    """The other way; a backup that lies here already is not replaced by another one."""
    manifest = store.manifest()
    if manifest is None:
        raise RollbackError(f"there is no backup at {store.place.url}: its manifest is missing", url=store.place.url)
    if path.exists():
        if archive.read_manifest(path) != manifest:
            raise RollbackError(f"{path} is another backup than {store.place.url}; choose another path")
        archive.verify_bytes(path, manifest)
        return False, manifest
    if not call.check_mode:
        store.download(path, manifest)
    return True, manifest


def run(call: Call) -> dict[str, Any]:
    """Copy unless a good copy is there."""
    params = call.params
    place = Place(params["url"], params["endpoint_url"], params["access_key"], params["secret_key"], params["region"])
    path = Path(params["path"]).absolute()
    copy = upload if params["direction"] == "upload" else download
    try:
        changed, manifest = within(params["timeout"], lambda: copy(call, Store(place), path))
    except TimeoutError as error:
        raise RollbackError(f"the copy to or from {place.url} was given up: {error} (option timeout)") from None
    result: dict[str, Any] = {
        "changed": changed,
        "url": place.url,
        "path": str(path),
        "size": manifest.size,
        "sha256": manifest.sha256,
    }
    if call.diff and changed:
        target = place.url if params["direction"] == "upload" else path
        result["diff"] = {"before": "", "after": f"{target} of {manifest.database}, {manifest.size} bytes\n"}
    return result


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
