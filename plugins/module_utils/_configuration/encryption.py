# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypts the content of Secrets with Ansible Vault, so that one password file opens manifests and inventories alike.

The only file that knows Ansible's own encryption. It is not shipped to other hosts by Ansible, so what needs it runs on
the control node.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from .._digest import canonical, digest, secret_digest
from .._module import RollbackError

try:
    AnsibleError: Any = import_module("ansible.errors").AnsibleError
    DataLoader: Any = import_module("ansible.parsing.dataloader").DataLoader
    _vault: Any = import_module("ansible.parsing.vault")
    VaultLib, get_file_vault_secret = _vault.VaultLib, _vault.get_file_vault_secret
except ImportError:
    DataLoader = VaultLib = get_file_vault_secret = None
    AnsibleError = OSError

ROUNDS = 100_000


class Safe:
    """One vault password. The same content becomes the same text each time: a manifest changes only if the world does.

    To that end the salt is a keyed hash of the content; different contents have different salts.
    """

    def __init__(self, password: Any, vault_id: str | None = None) -> None:
        """``password`` is a loaded ``VaultSecret``."""
        self._password = password
        self._vault_id = vault_id
        self._vault = VaultLib([(vault_id or "default", password)])
        self.key = hashlib.pbkdf2_hmac("sha256", password.bytes, b"octalume.rollback digest", ROUNDS).hex()

    @classmethod
    def opened(cls, file: str | None, vault_id: str | None) -> Safe | None:
        """The safe for a password file (or script, as Ansible takes them); ``None`` without one."""
        if not file:
            return None
        if VaultLib is None:
            raise RollbackError("vault_password_file is of use on the control node only, where ansible-core is")
        try:
            password = get_file_vault_secret(file, vault_id, loader=DataLoader())
            password.load()
        except AnsibleError as error:
            raise RollbackError(f"vault_password_file {file} gives no password: {error}") from None
        return cls(password, vault_id)

    def digest(self, data: Mapping[str, str]) -> str:
        """Keyed hash of a Secret's ``data``."""
        return secret_digest(self.key, data)

    def encrypt(self, data: Mapping[str, str]) -> str:
        """``data`` as an Ansible Vault text."""
        text = canonical(dict(data))
        salt = bytes.fromhex(digest(self.key, f"salt {text}"))
        encrypted: bytes = self._vault.encrypt(text, self._password, self._vault_id, salt=salt)
        return encrypted.decode()

    def decrypt(self, text: str, place: str) -> dict[str, str]:
        """What :meth:`encrypt` took. Raises :class:`RollbackError`, naming ``place``, under another password."""
        try:
            data: dict[str, str] = json.loads(self._vault.decrypt(text))
        except (AnsibleError, ValueError):
            raise RollbackError(
                f"{place}: the recorded content does not open with this vault password; give the one of record.yml"
            ) from None
        return data
