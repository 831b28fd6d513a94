# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores passwords as salted scrypt hashes and tokens as SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def hash_password(password: str, salt: str = "") -> str:
    """``salt$hex`` of the password; a random salt unless one is given."""
    salt = salt or secrets.token_hex(8)
    digest = hashlib.scrypt(password.encode(), salt=salt.encode(), n=1024, r=8, p=1, dklen=32)
    return f"{salt}${digest.hex()}"


def password_matches(password: str, stored: str) -> bool:
    """Whether ``password`` is the one that ``stored`` (from :func:`hash_password`) was made of."""
    return hmac.compare_digest(hash_password(password, stored.partition("$")[0]), stored)


def hash_token(token: str) -> str:
    """What the sessions table keeps of a token (hex)."""
    return hashlib.sha256(token.encode()).hexdigest()
