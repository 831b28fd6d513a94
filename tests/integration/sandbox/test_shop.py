# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo service: which release works on which schema, how the bad one fails, and how one ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.postgres import PostgresServer
from tests.sandbox.process import LOOPBACK, Process, answers, free_port
from tests.sandbox.shop.passwords import hash_password

SHOP = Path(__file__).resolve().parents[2] / "sandbox" / "shop"
KEPT = "SELECT (SELECT count(*) FROM products), (SELECT count(*) FROM orders), (SELECT count(*) FROM sessions)"
CUSTOMER = {"email": "ada@example.test", "password": "correct horse"}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        server.create_role("shop", "secret")
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[dict[str, str]]:
    """An empty database as PG* variables."""
    postgres.create_database("shop", "shop")
    yield postgres.environment("shop", "shop", "secret")
    postgres.execute("DROP DATABASE shop WITH (FORCE)")


def run(script: str, database: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SHOP / script), *words],
        env={**os.environ, **database}, cwd="/", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def migrate(database: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return run("migrate.sh", database, *words, "--env", "production")


def up(database: dict[str, str], version: int, postgres: PostgresServer) -> None:
    assert migrate(database, "up", "--to-version", str(version)).returncode == 0
    row = [CUSTOMER["email"], hash_password(CUSTOMER["password"])]
    insert = "INSERT INTO customers (email, password_hash) VALUES (%s, %s) ON CONFLICT DO NOTHING"
    postgres.execute(insert, "shop", row)


class Shop:
    """One process of the shop."""

    def __init__(self, version: str, database: dict[str, str], log: Path) -> None:
        self.port = free_port()
        settings = {
            "SHOP_VERSION": version, "LISTEN_ADDRESS": LOOPBACK, "LISTEN_PORT": str(self.port),
            "APP_DB_HOST": database["PGHOST"], "APP_DB_PORT": database["PGPORT"], "APP_DB_NAME": database["PGDATABASE"],
            "APP_DB_USER": database["PGUSER"], "APP_DB_PASSWORD": database["PGPASSWORD"],
        }  # fmt: skip
        argv = [sys.executable, "-m", "shop"]
        self.process = Process(argv, log, environment=settings, directory=SHOP.parent)
        self.process.wait_ready(lambda: answers(self.port))

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=15)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if text.startswith("{") else text
        finally:
            connection.close()


@pytest.fixture
def start(database: dict[str, str], tmp_path: Path) -> Iterator[Callable[[str], Shop]]:
    shops: list[Shop] = []

    def begin(version: str) -> Shop:
        shops.append(Shop(version, database, tmp_path / f"{version}.log"))
        return shops[-1]

    yield begin
    for shop in shops:
        shop.process.child.kill()
        shop.process.child.wait(5)


def journey(shop: Shop) -> list[int]:
    """The statuses of a customer's way through the shop: health, login, products, order."""
    health = shop.ask("GET", "/health")[0]
    login, answer = shop.ask("POST", "/auth/login", CUSTOMER)
    token = answer.get("token", "")
    products = shop.ask("GET", "/api/products", token=token)[0]
    order = shop.ask("POST", "/api/orders", {"sku": "CUP-01", "quantity": 2}, token)[0]
    return [health, login, products, order]


@pytest.mark.parametrize(
    ("version", "on_schema"),
    [
        ("1.4.0", {40: [200, 200, 200, 201], 41: [503, 200, 500, 201], 42: [503, 200, 500, 500]}),
        ("1.4.1", {40: [503, 200, 500, 500], 41: [200, 200, 200, 201], 42: [503, 200, 500, 500]}),
        ("1.4.3", {40: [503, 200, 500, 500], 41: [503, 200, 500, 500], 42: [200, 200, 200, 201]}),
    ],
)
def test_release_works_on_its_own_schema_alone(
    version: str,
    on_schema: dict[int, list[int]],
    database: dict[str, str],
    postgres: PostgresServer,
    start: Callable[[str], Shop],
) -> None:
    up(database, 40, postgres)
    shop = start(version)
    for schema, wanted in on_schema.items():
        up(database, schema, postgres)
        assert journey(shop) == wanted, f"schema {schema}"


def test_wrong_schema_is_named_by_health_and_log(
    database: dict[str, str], postgres: PostgresServer, start: Callable[[str], Shop]
) -> None:
    up(database, 41, postgres)
    shop = start("1.4.2")
    status, body = shop.ask("GET", "/health")
    assert (status, body["reason"]) == (503, "column p.list_price_cents does not exist")
    token = shop.ask("POST", "/auth/login", CUSTOMER)[1]["token"]
    assert shop.ask("GET", "/api/products", token=token)[0] == 500
    assert 'UndefinedColumn: column "list_price_cents" does not exist' in shop.process.log.read_text()


def test_bad_release_fails_a_quarter_and_stalls_some(
    database: dict[str, str], postgres: PostgresServer, start: Callable[[str], Shop]
) -> None:
    up(database, 42, postgres)
    shop = start("1.4.2")
    statuses: list[int] = []
    workers = [
        threading.Thread(target=lambda: statuses.append(shop.ask("GET", "/api/products")[0])) for _unused in range(60)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert {status: statuses.count(status) for status in set(statuses)} == {500: 15, 401: 45}
    metrics = shop.ask("GET", "/metrics")[1]
    assert 'http_requests_total{code="500",handler="/api/products",method="GET",version="1.4.2"} 15.0' in metrics
    within_5_s = 'http_request_duration_seconds_bucket{handler="/api/products",le="5.0",method="GET",version="1.4.2"} '
    assert f"{within_5_s}56.0" in metrics
    assert [shop.ask("GET", "/health")[0] for _unused in range(20)].count(200) == 18


def test_login_session_and_orders_survive_down_and_loyalty_does_not(
    database: dict[str, str], postgres: PostgresServer, start: Callable[[str], Shop]
) -> None:
    up(database, 42, postgres)
    new = start("1.4.3")
    assert journey(new) == [200, 200, 200, 201]
    token = new.ask("POST", "/auth/login", CUSTOMER)[1]["token"]
    assert postgres.execute("SELECT points FROM loyalty_accounts", "shop") == [(49,)]
    before = postgres.execute(KEPT, "shop")
    assert run("scripts/validate-data.sh", database).returncode == 0

    assert migrate(database, "down", "--to-version", "41").returncode == 0

    after = postgres.execute(KEPT, "shop")
    assert after == before == [(24, 1, 2)]
    assert postgres.execute("SELECT to_regclass('loyalty_accounts')", "shop") == [(None,)]
    assert run("scripts/validate-data.sh", database).returncode == 0
    status, body = start("1.4.1").ask("GET", "/api/products", token=token)
    assert (status, len(body["products"])) == (200, 24)


@pytest.mark.parametrize(
    ("damage", "assertion"),
    [
        ("DELETE FROM products WHERE sku = 'CUP-01'", "every order is of a product"),
        ("UPDATE orders SET total_cents = total_cents + 1", "every total is price times quantity"),
        ("UPDATE loyalty_accounts SET points = points + 1", "every account has the points of its orders"),
        ("DELETE FROM customers", "every session is of a customer"),
    ],
)
def test_validation_names_what_does_not_hold(
    damage: str, assertion: str, database: dict[str, str], postgres: PostgresServer, start: Callable[[str], Shop]
) -> None:
    up(database, 42, postgres)
    assert journey(start("1.4.3"))[-1] == 201
    postgres.execute(damage, "shop")
    done = run("scripts/validate-data.sh", database)
    assert done.returncode == 1
    assert f"FAIL  {assertion}: " in done.stdout


def test_migrate_tells_where_it_is(database: dict[str, str]) -> None:
    assert "version: 0\npending: 40 41 42\n" in migrate(database, "status").stdout
    assert "version: 41\npending: 42\n" in migrate(database, "up", "--to-version", "41").stdout
    assert "version: 42\npending: none\n" in migrate(database, "up").stdout
    again = migrate(database, "up")
    assert (again.returncode, again.stdout) == (0, "environment: production\nversion: 42\npending: none\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["down"], "down needs --to-version"),
        (["down", "--to-version", "7"], "there is no migration 7; known: 40 41 42"),
        (["down", "--to-version", "42"], "the schema is at 41, below 42: use up"),
        (["up", "--to-version", "40"], "the schema is at 41, above 40: use down"),
        (["up", "--to-version", "42; DROP TABLE orders"], "--to-version must be a number"),
        (["sideways"], "usage:"),
    ],
)
def test_migrate_refuses_what_makes_no_sense(words: list[str], complaint: str, database: dict[str, str]) -> None:
    migrate(database, "up", "--to-version", "41")
    done = migrate(database, *words)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "version: 41\n" in migrate(database, "status").stdout


def test_failed_step_leaves_the_schema_as_it_was(database: dict[str, str], postgres: PostgresServer) -> None:
    migrate(database, "up")
    postgres.execute("DROP TABLE loyalty_accounts; CREATE VIEW loyalty_accounts AS SELECT 1 AS one", "shop")
    done = migrate(database, "down", "--to-version", "41")
    assert done.returncode == 1
    assert '"loyalty_accounts" is not a table' in done.stderr
    assert "the schema is still at 42" in done.stderr
    assert "version: 42\n" in migrate(database, "status").stdout
    assert postgres.execute("SELECT count(list_price_cents) FROM products", "shop") == [(24,)]


def test_unreachable_database_is_an_error(database: dict[str, str]) -> None:
    nowhere = {**database, "PGPORT": str(free_port())}
    done = migrate(nowhere, "status")
    assert done.returncode == 1
    assert "cannot read the schema version from shop on 127.0.0.1:" in done.stderr
    assert run("scripts/validate-data.sh", nowhere).returncode == 2


def test_ending_process_is_unready_first_and_answers_what_it_has_begun(
    database: dict[str, str], postgres: PostgresServer, start: Callable[[str], Shop]
) -> None:
    up(database, 41, postgres)
    shop = start("1.4.1")
    outcome: list[int] = []
    with postgres.connect("shop") as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("LOCK TABLE customers")  # a login waits for this
        login = threading.Thread(target=lambda: outcome.append(shop.ask("POST", "/auth/login", CUSTOMER)[0]))
        login.start()
        while not postgres.execute("SELECT 1 FROM pg_locks WHERE NOT granted", "shop"):
            time.sleep(0.02)
        shop.process.child.send_signal(signal.SIGTERM)
        while (health := shop.ask("GET", "/health"))[0] == 200:
            time.sleep(0.02)
        assert health == (503, {"status": "stopping"})
        assert shop.ask("GET", "/version") == (200, {"version": "1.4.1"})  # new connections are still taken
        while answers(shop.port):
            time.sleep(0.05)
        assert shop.process.running()
        connection.rollback()
    login.join(10)
    assert outcome == [200]
    assert shop.process.child.wait(5) == 0


def test_maintenance_page_answers_everything_with_503(tmp_path: Path) -> None:
    port = free_port()
    environment = {"LISTEN_ADDRESS": LOOPBACK, "LISTEN_PORT": str(port)}
    argv = [sys.executable, "-m", "shop.maintenance"]
    page = Process(argv, tmp_path / "log", environment=environment, directory=SHOP.parent)
    try:
        page.wait_ready(lambda: answers(port))
        for method, path, body in (("GET", "/health", None), ("POST", "/auth/login", "{}"), ("DELETE", "/", None)):
            connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
            connection.request(method, path, body)
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("Retry-After")) == (503, "30")
            assert "under maintenance" in answer.read().decode()
            connection.close()
    finally:
        page.stop()
    assert page.child.returncode == 0
