# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves from outside, by the sandbox's own means, that a release of the shop was undone and nothing was lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import hvac
from hvac.exceptions import InvalidPath

from tests.sandbox.cluster import Cluster
from tests.sandbox.process import NotReady, wait_until
from tests.sandbox.releases import owner_environment, transaction

# What has to survive a rollback: rows by a key that no migration touches, with what they say.
KEPT = {
    "products": "SELECT sku, id::text FROM products",
    "orders": "SELECT id::text, concat_ws('/', customer_id, product_id, quantity, total_cents) FROM orders",
    "login sessions": "SELECT token_hash, customer_id::text FROM sessions WHERE expires_at > now()",
}
ERROR_RATE = '(sum(rate(http_requests_total{code=~"5.."}[5s])) or vector(0)) / sum(rate(http_requests_total[5s]))'


@dataclass(frozen=True)
class Line:
    """One line of the proof: what was looked at, what was found, and whether that is as it should be."""

    claim: str
    found: str
    holds: bool

    def __str__(self) -> str:
        return f"{'ok  ' if self.holds else 'FAIL'}  {self.claim}: {self.found}"


Rows = Mapping[str, Mapping[str, str]]


def query(endpoints: Mapping[str, Any], statement: str) -> list[tuple[Any, ...]]:
    """Rows of the shop's database, as its owner sees them."""
    with transaction(owner_environment(endpoints)) as cursor:
        cursor.execute(statement)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def rows(endpoints: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Everything that must still be there after the rollback."""
    return {name: dict(query(endpoints, statement)) for name, statement in KEPT.items()}


def error_rate(endpoints: Mapping[str, Any]) -> float:
    """Share of failed requests in the last seconds (0-1), as Prometheus tells; NaN without requests."""
    return _measure(endpoints, ERROR_RATE)


def idle(endpoints: Mapping[str, Any]) -> bool:
    """Whether the longest window of the triggers holds no request."""
    return not _measure(endpoints, "sum(rate(http_requests_total[10s]))") > 0


def _measure(endpoints: Mapping[str, Any], expression: str) -> float:
    url = f"{endpoints['prometheus']['url']}/api/v1/query?{urlencode({'query': expression})}"
    with urlopen(url, timeout=5) as answer:  # noqa: S310 - the sandbox's own Prometheus
        result = json.load(answer)["data"]["result"]
    return float(result[0]["value"][1]) if result else float("nan")


def prove(endpoints: Mapping[str, Any], before: Rows, wanted: Mapping[str, Any]) -> Iterator[Line]:
    """The lines of the proof; ``wanted`` has ``version``, ``replicas``, ``schema`` and ``configuration``."""
    yield from restored(endpoints, wanted)
    yield from _kept(before, rows(endpoints))
    yield _calm(endpoints)


def restored(endpoints: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Line]:
    """The lines that need no customers."""
    yield _version(endpoints, wanted["version"])
    yield _pods(endpoints, wanted["version"], wanted["replicas"])
    (found,) = query(endpoints, "SELECT max(version) FROM schema_migrations")[0]
    yield Line("schema", f"migration {found}", found == wanted["schema"])
    yield _configuration(endpoints, wanted["configuration"])
    yield _open(endpoints)


def _version(endpoints: Mapping[str, Any], wanted: str) -> Line:
    """Ask often enough to meet every pod."""
    found = set()
    for _ in range(12):
        with urlopen(f"{endpoints['shop']['url']}/version", timeout=5) as answer:  # noqa: S310 - the sandbox's own shop
            found.add(json.load(answer)["version"])
    return Line("version served", ", ".join(sorted(found)), found == {wanted})


def _pods(endpoints: Mapping[str, Any], version: str, wanted: int) -> Line:
    cluster = Cluster(endpoints["kubernetes"]["kubeconfig"], endpoints["namespace"])
    pods = cluster.items("Pod", "app=api-server")
    good = [pod for pod in pods if _ready(pod) and _image(pod).endswith(f":{version}")]
    return Line("pods ready", f"{len(good)}/{len(pods)}", len(good) == len(pods) == wanted)


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def _image(pod: Mapping[str, Any]) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def _secret(endpoints: Mapping[str, Any], version: int | None = None) -> dict[str, Any]:
    vault = endpoints["vault"]
    secrets = hvac.Client(vault["address"], vault["token"], timeout=10).secrets.kv.v2
    place = {"path": vault["path"], "mount_point": vault["mount"], "raise_on_deleted_version": True}
    answer: dict[str, Any] = secrets.read_secret_version(**place, version=version)["data"]
    return answer


def vault_version(endpoints: Mapping[str, Any]) -> int:
    """Number of the newest version of the shop's configuration; 0 where nothing was shipped yet."""
    try:
        return int(_secret(endpoints)["metadata"]["version"])
    except InvalidPath:
        return 0


def _configuration(endpoints: Mapping[str, Any], version: int) -> Line:
    live, old = _secret(endpoints), _secret(endpoints, version)
    same = live["data"] == old["data"]
    number = live["metadata"]["version"]
    relation = "the data of" if same else "NOT the data of"
    return Line("configuration", f"version {number} has {relation} version {version}", same)


def _kept(before: Rows, after: Rows) -> Iterator[Line]:
    for name, known in before.items():
        lost = [key for key, value in known.items() if after[name].get(key) != value]
        found = f"all {len(known)} of before" if not lost else f"{len(lost)} of {len(known)} lost or changed"
        yield Line(name, found, not lost and bool(known))


def _calm(endpoints: Mapping[str, Any]) -> Line:
    """Under 1 % as soon as the window holds nothing but the restored release."""
    rate = float("nan")

    def calm() -> bool:
        nonlocal rate
        rate = error_rate(endpoints)
        return rate < 0.01

    try:
        wait_until(calm, 20, "error rate under 1 %")
    except NotReady:
        return Line("error rate", f"{rate:.1%}", False)
    return Line("error rate", f"{rate:.1%}", True)


def _open(endpoints: Mapping[str, Any]) -> Line:
    cluster = Cluster(endpoints["kubernetes"]["kubeconfig"], endpoints["namespace"])
    service = cluster.get("Service", "api-server") or {"spec": {"selector": None}}
    selector = service["spec"]["selector"]
    return Line(
        "maintenance",
        "off" if selector == {"app": "api-server"} else f"on ({selector})",
        selector == {"app": "api-server"},
    )


def wait_for_trouble(endpoints: Mapping[str, Any], threshold: float, seconds: float) -> float:
    """Wait until the error rate has been above ``threshold`` for ``seconds`` on end; the last rate."""
    since: float | None = None
    rate = float("nan")

    def bad() -> bool:
        nonlocal since, rate
        rate = error_rate(endpoints)
        if not rate > threshold:
            since = None
        elif since is None:
            since = time.monotonic()
        return since is not None and time.monotonic() - since >= seconds

    wait_until(bad, 60, f"an error rate above {threshold:.0%} for {seconds:g} s")
    return rate
