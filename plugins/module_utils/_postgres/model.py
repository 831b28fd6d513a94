# SPDX-License-Identifier: GPL-3.0-or-later
"""The nouns of database backups: where a database is, what a table held, what a backup says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .._module import RollbackError

KIND = "octalume.rollback/postgres-backup"
MANIFEST_FORMAT = 1
LATER = frozenset(
    {"environment", "sequences", "locale_provider", "locale", "icu_rules"}
)  # what the first manifests do not have


@dataclass(frozen=True)
class Connection:
    """How to reach one database. The password leaves this object through the environment of a child only."""

    host: str
    port: int
    user: str
    database: str
    password: str = field(default="", repr=False)
    ssl_mode: str = "prefer"
    ca_cert: str | None = None
    ssl_cert: str | None = None
    ssl_key: str | None = None
    maintenance: str = "postgres"

    @property
    def standing_in(self) -> Connection:
        """The same server by its maintenance database, to be in while another one is created, renamed or dropped."""
        return self.to(self.maintenance)

    def to(self, database: str) -> Connection:
        """The same server and user, another database."""
        return replace(self, database=database)

    @property
    def place(self) -> str:
        """For messages: ``shop@db.example:5432/shop``."""
        return f"{self.user}@{self.host or 'local socket'}:{self.port}/{self.database}"

    def keywords(self) -> dict[str, Any]:
        """Keyword arguments of libpq, without the empty ones."""
        words = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": self.database,
            "sslmode": self.ssl_mode,
            "sslrootcert": self.ca_cert,
            "sslcert": self.ssl_cert,
            "sslkey": self.ssl_key,
        }
        return {name: value for name, value in words.items() if value}

    def environment(self) -> dict[str, str]:
        """The same as PG* variables, for programs built on libpq."""
        names = {"dbname": "PGDATABASE"}
        told = {names.get(name, f"PG{name.upper()}"): str(value) for name, value in self.keywords().items()}
        return {"PGCONNECT_TIMEOUT": "10", **told}


@dataclass(frozen=True)
class Table:
    """What one table held: its row count and one order-independent sum of hashes per column.

    Each value is hashed with the hash of its row's primary key as seed, so that values swapped between rows show.
    ``whole_row`` is set only where there is no primary key, for the same purpose.
    """

    rows: int
    columns: Mapping[str, str]
    key: tuple[str, ...] = ()
    whole_row: str | None = None
    numbers: tuple[str, ...] = ()
    """Columns whose values were hashed as integers."""

    @property
    def checksum(self) -> str:
        """One short text for all of it."""
        parts = [f"{name}={self.columns[name]}" for name in sorted(self.columns)]
        return hashlib.sha256("\n".join([str(self.rows), str(self.whole_row), *parts]).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the manifest."""
        return {
            **asdict(self),
            "columns": dict(self.columns),
            "key": list(self.key),
            "numbers": list(self.numbers),
            "checksum": self.checksum,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Table:
        """The inverse of :meth:`as_dict`; a checksum that does not fit the sums is an edited manifest."""
        names = tuple(data["key"]), data.get("whole_row"), tuple(data.get("numbers") or ())
        table = cls(int(data["rows"]), dict(data["columns"]), *names)
        if table.checksum != data["checksum"]:
            raise ValueError("a table's checksum does not fit its column sums")
        return table


@dataclass(frozen=True)
class Proof:
    """How far a backup has been proven: ``none``, ``read`` (all of it decoded) or ``restore`` (loaded and compared)."""

    level: str
    verdict: str
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself; lies beside it as ``<path>.json``."""

    database: str
    server_version: str
    client_version: str
    format: str
    compression: str
    size: int
    sha256: str
    taken_at: str
    seconds: float
    release: str | None
    migration_version: str | None
    schema_fingerprint: str
    tables: Mapping[str, Table]
    files: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "UTF8"
    collate: str = "C"
    ctype: str = "C"
    roles: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    proof: Proof = Proof("none", "inconclusive", 0.0)
    environment: str | None = None
    sequences: Mapping[str, int] = field(default_factory=dict)
    """The last value of each sequence that has given any, when the snapshot began."""
    locale_provider: str | None = None
    """``libc``, ``icu`` or ``builtin``; None where that was not recorded."""
    locale: str | None = None
    icu_rules: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        plain = {**self.__dict__, "tables": {name: table.as_dict() for name, table in sorted(self.tables.items())}}
        plain.update(
            files=dict(self.files),
            sequences=dict(self.sequences),
            roles=list(self.roles),
            extensions=list(self.extensions),
        )
        return {"kind": KIND, "manifest_format": MANIFEST_FORMAT, **plain, "proof": asdict(self.proof)}

    @classmethod
    def from_dict(cls, data: Any, where: str) -> Manifest:
        """The inverse of :meth:`as_dict`; ``where`` names the file in errors."""
        if not isinstance(data, dict) or data.get("kind") != KIND:
            raise RollbackError(f"{where} is not the manifest of a backup of this collection", path=where)
        if data.get("manifest_format") != MANIFEST_FORMAT:
            raise RollbackError(
                f"{where} has manifest format {data.get('manifest_format')!r}, this release reads {MANIFEST_FORMAT};"
                " use the release of octalume.rollback that took the backup",
                path=where,
            )
        try:
            fields = {name: data[name] for name in cls.__dataclass_fields__ if name in data or name not in LATER}
            fields["tables"] = {name: Table.from_dict(table) for name, table in data["tables"].items()}
            fields.update(roles=tuple(data["roles"]), extensions=tuple(data["extensions"]))
            return cls(**{**fields, "proof": Proof(**data["proof"])})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RollbackError(
                f"the manifest {where} is damaged ({type(error).__name__}: {error}); take another backup", path=where
            ) from error

    def summary(self, path: str) -> dict[str, Any]:
        """What a task's result shows of the backup at ``path``."""
        names = (
            "size", "sha256", "format", "compression", "server_version", "client_version", "database", "release",
            "environment", "migration_version", "schema_fingerprint", "taken_at", "seconds",
        )  # fmt: skip
        tables = {name: {"rows": table.rows, "checksum": table.checksum} for name, table in self.tables.items()}
        return {
            "path": path,
            **{name: getattr(self, name) for name in names},
            "tables": tables,
            "proof": asdict(self.proof),
        }
