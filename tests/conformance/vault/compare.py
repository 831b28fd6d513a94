# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares a recorded answer with a fresh one, less what differs from run to run."""

from __future__ import annotations

from typing import Any

TIMES = {
    "created_time", "deletion_time", "updated_time", "issue_time", "expire_time", "creation_time", "server_time_utc",
    "active_time",
}  # fmt: skip
IDENTIFIERS = {
    "request_id", "accessor", "wrapped_accessor", "secret_id_accessor", "uuid", "entity_id", "nonce", "cluster_id",
    "cluster_name", "id", "client_token", "token", "role_id", "secret_id", "keys", "keys_base64", "root_token",
    "leader_address", "leader_cluster_address",
}  # fmt: skip
COUNTED_DOWN = {"ttl", "Retry-After", "X-Ratelimit-Reset", "raft_committed_index", "raft_applied_index"}
LEARNED = {"client_token", "token", "role_id", "secret_id", "root_token", "keys"}
ZERO_TIME = "0001-01-01T00:00:00Z"


def normal(value: Any, key: str = "") -> Any:
    """``value`` with times, identifiers and countdowns replaced by their kind; emptiness is kept."""
    if isinstance(value, dict):
        return {name: normal(inner, name) for name, inner in value.items()}
    if key in TIMES and value not in ("", None, ZERO_TIME):
        return "a time"
    if key in IDENTIFIERS and value and not (key == "keys" and _names(value)):
        return [key] * len(value) if isinstance(value, list) else key
    if key in COUNTED_DOWN and value and int(value) != 60:
        return "counting"
    if isinstance(value, list):
        return [normal(inner) for inner in value]
    return value


def _names(keys: list[str]) -> bool:
    """Whether ``keys`` are those of a listing rather than unseal keys of 33 bytes."""
    return any(len(name) != 66 for name in keys)


def learn(recorded: Any, fresh: Any, known: dict[str, str]) -> None:
    """Remember which fresh token or id stands for which recorded one, to be used in later requests."""
    if isinstance(recorded, dict) and isinstance(fresh, dict):
        for name in recorded.keys() & fresh.keys():
            if name in LEARNED and isinstance(recorded[name], str) and isinstance(fresh[name], str):
                known[recorded[name]] = fresh[name]
            learn(recorded[name], fresh[name], known)


def translate(value: Any, known: dict[str, str]) -> Any:
    """``value`` with recorded tokens and ids replaced by the fresh ones."""
    if isinstance(value, dict):
        return {name: translate(inner, known) for name, inner in value.items()}
    if isinstance(value, str):
        bearer = value.removeprefix("Bearer ")
        return value.replace(bearer, known[bearer]) if bearer in known else value
    return value
