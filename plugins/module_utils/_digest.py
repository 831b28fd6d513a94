# SPDX-License-Identifier: GPL-3.0-or-later
"""Keyed hashes that let two sides compare a secret value without either of them showing it."""

from __future__ import annotations

import hashlib
import hmac


def digest(key: str, value: str) -> str:
    """HMAC-SHA256 of ``value`` under ``key``, in 64 hexadecimal digits."""
    return hmac.new(key.encode(), value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
