# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop's settings: ``APP_*`` in the environment, read once at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Settings with their units; ``database`` holds libpq's connection parameters."""

    database: Mapping[str, Any]
    session_seconds: int
    page_size: int
    currency: str
    loyalty_rate: int  # percent of an order's total that is given back as points
    drain_seconds: float  # how long a stopping process still takes new connections

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read ``APP_*``; a value that is no number raises ValueError naming it."""

        def number(name: str, default: str) -> float:
            try:
                return float(environment.get(name, default))
            except ValueError:
                raise ValueError(f"{name} is no number") from None

        return cls(
            database={
                "host": environment.get("APP_DB_HOST", "127.0.0.1"),
                "port": int(number("APP_DB_PORT", "5432")),
                "dbname": environment.get("APP_DB_NAME", "shop"),
                "user": environment.get("APP_DB_USER", "shop"),
                "password": environment.get("APP_DB_PASSWORD", ""),
            },
            session_seconds=int(number("APP_SESSION_SECONDS", "3600")),
            page_size=int(number("APP_PAGE_SIZE", "50")),
            currency=environment.get("APP_CURRENCY", "EUR"),
            loyalty_rate=int(number("APP_LOYALTY_RATE", "5")),
            drain_seconds=number("APP_DRAIN_SECONDS", "1"),
        )
