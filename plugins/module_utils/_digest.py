# SPDX-License-Identifier: GPL-3.0-or-later
"""Hashes that let two sides compare a content without showing it; those of secrets have a key."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any


def digest(key: str, value: str) -> str:
    """HMAC-SHA256 of ``value`` under ``key``, in 64 hexadecimal digits."""
    return hmac.new(key.encode(), value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def canonical(content: Mapping[str, Any]) -> str:
    """One text for one content, whatever the order of its keys."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def content_digest(data: Mapping[str, str], binary_data: Mapping[str, str]) -> str:
    """``sha256:`` and the hash of a ConfigMap's content, which is no secret."""
    text = canonical({"data": dict(data), "binaryData": dict(binary_data)})
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def secret_digest(key: str, data: Mapping[str, str]) -> str:
    """``hmac:`` and the keyed hash of a Secret's content (base64, as the API has it)."""
    return "hmac:" + digest(key, canonical(dict(data)))
