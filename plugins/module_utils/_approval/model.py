# SPDX-License-Identifier: GPL-3.0-or-later
"""A signature in the format of OpenSSH, and what it is worth as an approval."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from dataclasses import dataclass
from datetime import date

NAMESPACE = "octalume-rollback"
MAGIC = b"SSHSIG"
ARMOR = re.compile(r"-----BEGIN SSH SIGNATURE-----\s+([A-Za-z0-9+/=\s]+)-----END SSH SIGNATURE-----")


def slug(role: str) -> str:
    """A role as a part of file names: ``DevOps Lead`` is ``devops-lead``."""
    return re.sub(r"[^a-z0-9]+", "-", role.casefold()).strip("-")


@dataclass(frozen=True)
class Signature:
    """What a signature says of itself: in which role, and on which day by the signer's word. Both are signed."""

    namespace: str

    @property
    def role(self) -> str:
        """The role, as a slug; empty where this is no approval of a plan."""
        return self._part(1)

    @property
    def day(self) -> date | None:
        """The day; None where this is no approval of a plan."""
        try:
            return date.fromisoformat(self._part(2))
        except ValueError:
            return None

    def _part(self, index: int) -> str:
        parts = self.namespace.split("/")
        return parts[index] if len(parts) == 3 and parts[0] == NAMESPACE else ""


def parse(text: str) -> Signature | None:
    """Read an armored signature (PROTOCOL.sshsig of OpenSSH); None if it is none."""
    armor = ARMOR.search(text)
    if not armor:
        return None
    try:
        blob = base64.b64decode("".join(armor[1].split()), validate=True)
        if not blob.startswith(MAGIC) or struct.unpack(">I", blob[6:10])[0] != 1:
            return None
        _key, at = _field(blob, 10)
        namespace, _unused = _field(blob, at)
        return Signature(namespace.decode())
    except (binascii.Error, struct.error, UnicodeDecodeError):
        return None


def _field(blob: bytes, at: int) -> tuple[bytes, int]:
    """A length (4 bytes, big endian) and that many bytes; with where the next field begins."""
    end = at + 4 + struct.unpack(">I", blob[at : at + 4])[0]
    if end > len(blob):
        raise struct.error("cut short")
    return blob[at + 4 : end], end


@dataclass(frozen=True)
class Approval:
    """One role's approval; ``reason`` is one word of :mod:`evaluate` where it is refused."""

    role: str
    verdict: str
    reason: str
    message: str
    signature: str
    command: str
    """What a person in that role types to sign."""
    signer: str = ""
    fingerprint: str = ""
    date: str = ""
