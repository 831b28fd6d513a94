# SPDX-License-Identifier: GPL-3.0-or-later
"""Ships a release of the shop as a deploy pipeline does: schema up, configuration, image; all by the real APIs."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import psycopg2
from hvac.exceptions import InvalidPath

from tests.sandbox import load
from tests.sandbox.cluster import Cluster, manifests
from tests.sandbox.process import NotReady, wait_until
from tests.sandbox.secret_sync import SECRET
from tests.sandbox.shop.passwords import hash_password
from tests.sandbox.shop.versions import RELEASES

SHOP = Path(__file__).parent / "shop"
# What each version of the configuration changed; the connection to the database is the same in all of them.
CONFIGURATIONS: dict[int, dict[str, str]] = {
    1: {"APP_SESSION_SECONDS": "900", "APP_PAGE_SIZE": "20", "APP_CURRENCY": "EUR"},
    2: {"APP_PAGE_SIZE": "25"},
    3: {"APP_SESSION_SECONDS": "1800"},
    4: {"APP_DRAIN_SECONDS": "1"},
    5: {"APP_PAGE_SIZE": "50"},
    6: {"APP_SESSION_SECONDS": "3600"},
    7: {"APP_LOYALTY_RATE": "10", "APP_PAGE_SIZE": "100", "APP_SUPPORT_EMAIL": "loyalty@example.test"},
    8: {"APP_LOYALTY_RATE": "5"},
    9: {"APP_PAGE_SIZE": "80"},
}
CONFIGURATION_OF = {"1.4.0": 5, "1.4.1": 6, "1.4.2": 7, "1.4.3": 8, "1.4.4": 9}


@dataclass(frozen=True)
class Places:
    """Where a release is shipped to, from the sandbox's endpoints."""

    cluster: Cluster
    vault: hvac.Client
    vault_mount: str
    vault_path: str
    database: Mapping[str, str]  # PG* variables of the owner, as seen from here
    application_database: Mapping[str, str]  # APP_DB_* as seen from the pods
    image_prefix: str

    @classmethod
    def of(cls, endpoints: Mapping[str, Any]) -> Places:
        """The places that ``endpoints.json`` tells."""
        kubernetes, vault = endpoints["kubernetes"], endpoints["vault"]
        return cls(
            cluster=Cluster(Path(kubernetes["kubeconfig"]), endpoints["namespace"]),
            vault=hvac.Client(vault["address"], vault["token"], timeout=30),
            vault_mount=vault["mount"],
            vault_path=vault["path"],
            database=owner_environment(endpoints),
            application_database=endpoints["shop"]["database"],
            image_prefix=endpoints["shop"]["image_prefix"],
        )


def owner_environment(endpoints: Mapping[str, Any]) -> dict[str, str]:
    """PG* variables of the role that owns the shop's schema."""
    postgres = endpoints["postgres"]
    owner = postgres["users"]["owner"]
    return {
        "PGHOST": postgres["host"],
        "PGPORT": str(postgres["port"]),
        "PGDATABASE": postgres["database"],
        "PGUSER": owner["user"],
        "PGPASSWORD": owner["password"],
    }


@contextmanager
def transaction(where: Mapping[str, str]) -> Iterator[Any]:
    """A cursor on the database that PG* variables name; committed at the end."""
    connection = psycopg2.connect(
        host=where["PGHOST"], port=where["PGPORT"], dbname=where["PGDATABASE"],
        user=where["PGUSER"], password=where["PGPASSWORD"], connect_timeout=5,
    )  # fmt: skip
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def configuration(number: int) -> dict[str, str]:
    """The settings of configuration ``number`` without the database's."""
    settings: dict[str, str] = {}
    for step in range(1, number + 1):
        settings |= CONFIGURATIONS[step]
    return settings


class Pipeline:
    """Ships releases to one place, telling each step to ``say``."""

    def __init__(self, places: Places, say: Callable[[str], None] = print) -> None:
        """Nothing is asked or changed yet."""
        self.places, self.say = places, say

    def ship(self, version: str) -> None:
        """Bring ``version`` into production; raises NotReady with the reason if that does not work."""
        if version not in RELEASES:
            raise NotReady(f"there is no release {version!r} of the shop; known: {', '.join(RELEASES)}")
        self.migrate(RELEASES[version].schema)
        self.make_customers()
        self.configure(CONFIGURATION_OF[version])
        self.roll_out(version)

    def migrate(self, schema: int) -> None:
        """Bring the schema up to ``schema`` with the shop's own tool."""
        command = [str(SHOP / "migrate.sh"), "up", "--env", "production", "--to-version", str(schema)]
        environment = {**os.environ, **self.places.database}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise NotReady(f"migrations failed (rc {done.returncode}): {done.stderr.strip()}")
        self.say(f"schema: {' '.join(re.findall(r'version: .*', done.stdout))}")

    def make_customers(self) -> None:
        """Let the load's customers have accounts."""
        rows = [(load.email(number), hash_password(load.PASSWORD)) for number in range(load.CUSTOMERS)]
        insert = "INSERT INTO customers (email, password_hash) VALUES (%s, %s) ON CONFLICT (email) DO NOTHING"
        with transaction(self.places.database) as cursor:
            cursor.executemany(insert, rows)

    def configure(self, number: int) -> None:
        """Make configuration ``number`` current; a fresh Vault gets its history first, so that numbers agree."""
        wanted = {**configuration(number), **self.places.application_database}
        current, data = self.current_configuration()
        if data != wanted:
            for step in range(current + 1, number):
                self.write({**configuration(step), **self.places.application_database})
            self.write(wanted)
            current, data = self.current_configuration()
        self.say(f"configuration: version {current} of {self.places.vault_mount}/{self.places.vault_path}")
        encoded = {name: base64.b64encode(value.encode()).decode() for name, value in wanted.items()}
        wait_until(
            lambda: (self.places.cluster.get("Secret", SECRET) or {}).get("data") == encoded,
            20,
            f"secret/{SECRET} equal to {self.places.vault_mount}/{self.places.vault_path} (see secret_sync.log)",
        )

    def current_configuration(self) -> tuple[int, dict[str, str]]:
        """Version and data in Vault; (0, {}) if there is none."""
        places = self.places
        read = places.vault.secrets.kv.v2.read_secret_version
        try:
            answer = read(places.vault_path, mount_point=places.vault_mount, raise_on_deleted_version=True)["data"]
        except InvalidPath:
            return 0, {}
        return int(answer["metadata"]["version"]), dict(answer["data"])

    def write(self, data: dict[str, str]) -> None:
        """A new version of the configuration."""
        places = self.places
        places.vault.secrets.kv.v2.create_or_update_secret(places.vault_path, data, mount_point=places.vault_mount)

    def roll_out(self, version: str) -> None:
        """Apply the Deployment with the version's image and wait until it serves."""
        image = f"{self.places.image_prefix}api-server:{version}"
        values = {
            "namespace": self.places.cluster.namespace,
            "image": image,
            "change_cause": f"release {version}",
        }
        for wanted in manifests("api-server.yml", values):
            self.places.cluster.apply(wanted)
        self.places.cluster.wait_rollout("api-server")
        self.say(f"application: deployment/api-server runs {image}")
