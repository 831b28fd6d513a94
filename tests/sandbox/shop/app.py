# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shop answers: one method per route, from a request to a status and a JSON body."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from . import queries
from .database import Counter, Database
from .passwords import hash_token, password_matches
from .settings import Settings
from .versions import Release

JSON = dict[str, Any]


class HttpError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str) -> None:
        """``message`` becomes ``{"error": message}``."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """One request: method, path without the query, bearer token ('' if none), body."""

    method: str
    path: str
    token: str = ""
    body: bytes = b""

    def json(self) -> JSON:
        """The body as an object; anything else is a 400."""
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise HttpError(400, "the body must be a JSON object")
        return value


@dataclass
class Shop:
    """The service in one release."""

    release: Release
    settings: Settings
    database: Database
    draining: bool = False
    _requests: Counter = field(default_factory=Counter)
    _health_questions: Counter = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Choose the SQL that this release was written with."""
        self._queries = queries.BY_SCHEMA[self.release.schema]
        Route = Callable[[Request], tuple[int, JSON]]
        self.pages: dict[tuple[str, str], Route] = {
            ("POST", "/auth/login"): self.login,
            ("GET", "/api/products"): self.products,
            ("POST", "/api/orders"): self.order,
        }
        self.probes: dict[tuple[str, str], Route] = {
            ("GET", "/health"): self.health,
            ("GET", "/live"): lambda _request: (200, {"status": "alive"}),
            ("GET", "/version"): lambda _request: (200, {"version": self.release.version}),
        }

    def answer(self, request: Request) -> tuple[int, JSON]:
        """The status and body for ``request``; raises HttpError, psycopg2.Error or RuntimeError."""
        route = (request.method, request.path)
        if route in self.probes:
            return self.probes[route](request)
        if route not in self.pages:
            known = request.path in {path for _method, path in (*self.pages, *self.probes)}
            raise HttpError(405 if known else 404, f"no route {request.method} {request.path}")
        number = self._requests.next()
        time.sleep(self.release.fault.delay(number))
        if self.release.fault.fails(number):
            raise RuntimeError("loyalty tier lookup: 'NoneType' object has no attribute 'multiplier'")
        return self.pages[route](request)

    def health(self, _request: Request) -> tuple[int, JSON]:
        """200 while this process can do its work on the schema it finds; 503 with the reason otherwise."""
        if self.draining:
            return 503, {"status": "stopping"}
        if self.release.fault.unhealthy(self._health_questions.next()):
            return 503, {"status": "unhealthy", "reason": "loyalty cache is cold"}
        try:
            with self.database.transaction() as cursor:
                cursor.execute(self._queries.check)
        except psycopg2.Error as error:
            return 503, {"status": "unhealthy", "reason": str(error).partition("\n")[0]}
        return 200, {"status": "ok"}

    def login(self, request: Request) -> tuple[int, JSON]:
        """A token for ``{"email": ..., "password": ...}``."""
        wanted = request.json()
        with self.database.transaction() as cursor:
            cursor.execute(queries.LOGIN, {"email": str(wanted.get("email", ""))})
            customer = cursor.fetchone()
            if customer is None or not password_matches(str(wanted.get("password", "")), customer[1]):
                raise HttpError(401, "unknown email or wrong password")
            token = secrets.token_urlsafe(24)
            seconds = self.settings.session_seconds
            session = {"token_hash": hash_token(token), "customer": customer[0], "seconds": seconds}
            cursor.execute(queries.START_SESSION, session)
        return 200, {"token": token, "expires_in": seconds}

    def products(self, request: Request) -> tuple[int, JSON]:
        """The catalogue, for a customer who is logged in."""
        with self.database.transaction() as cursor:
            self._customer(cursor, request)
            cursor.execute(self._queries.products, {"limit": self.settings.page_size})
            rows = cursor.fetchall()
        return 200, {"products": [dict(zip(("sku", "name", "price_cents"), row, strict=True)) for row in rows]}

    def order(self, request: Request) -> tuple[int, JSON]:
        """Buy ``{"sku": ..., "quantity": 1..100}``."""
        wanted = request.json()
        quantity = wanted.get("quantity", 1)
        if not isinstance(quantity, int) or not 1 <= quantity <= 100:
            raise HttpError(400, "quantity must be a whole number from 1 to 100")
        with self.database.transaction() as cursor:
            parameters = {
                "customer": self._customer(cursor, request),
                "sku": str(wanted.get("sku", "")),
                "quantity": quantity,
                "currency": self.settings.currency,
                "rate": self.settings.loyalty_rate,
            }
            cursor.execute(self._queries.order, parameters)
            row = cursor.fetchone()
            if row is None:
                raise HttpError(404, "unknown sku")
            if self._queries.reward:
                cursor.execute(self._queries.reward, {"order": row[0]})
        return 201, {"order": row[0], "total_cents": row[1]}

    def _customer(self, cursor: Any, request: Request) -> int:
        """The customer whose token came with the request; 401 if none."""
        cursor.execute(queries.CUSTOMER_OF_SESSION, {"token_hash": hash_token(request.token)})
        row = cursor.fetchone()
        if row is None:
            raise HttpError(401, "log in first")
        return int(row[0])
