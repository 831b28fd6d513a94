# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's parts on their own: the load, the settings for real servers, targets, configurations."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.sandbox.discovery import targets
from tests.sandbox.external import External
from tests.sandbox.load import Customers, Load, Report
from tests.sandbox.process import NotReady, free_port
from tests.sandbox.releases import configuration
from tests.sandbox.s3 import S3Server


class Answers(BaseHTTPRequestHandler):
    """A shop that knows everybody and fails every fifth request for products."""

    seen: ClassVar[list[tuple[str, str]]] = []

    def do_POST(self) -> None:
        self._answer(200, b'{"token": "abc"}')

    def do_GET(self) -> None:
        products = [path for path, _unused in self.seen if path == "/api/products"]
        self._answer(500 if len(products) % 5 == 4 else 200, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        pass


@pytest.fixture
def shop_url() -> Iterator[str]:
    Answers.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_load_reports_what_the_shop_answered(shop_url: str, tmp_path: Path) -> None:
    load = Load(shop_url, tmp_path, rate=60).start()
    while len(Answers.seen) < 60:
        threading.Event().wait(0.02)
    report = load.stop()
    asked = [path for path, _unused in Answers.seen]
    failed = asked.count("/api/products") // 5
    assert report["requests"] == len(asked) == sum(report["statuses"].values())
    assert report["failed"] == report["statuses"]["500"] == failed > 0
    assert report["failed_paths"] == {"/api/products": failed}
    assert sum(report["failures_by_second"].values()) == failed
    assert set(asked) == {"/auth/login", "/api/products", "/api/orders"}
    assert {token for path, token in Answers.seen if path != "/auth/login"} == {"Bearer abc"}


def test_load_counts_a_dead_shop_as_failed() -> None:
    customers = Customers(f"http://127.0.0.1:{free_port()}", rate=50)
    asyncio.run(customers.run(0.2, asyncio.Event()))
    report = customers.report.to_dict()
    assert report["requests"] == report["failed"] == report["statuses"]["ClientConnectorError"] > 0
    assert report["error_ratio"] == 1


def test_report_tells_slow_requests() -> None:
    report = Report()
    for second in range(100):
        report.add(second, "/api/products", "200", 5.5 if second % 20 == 0 else 0.01)
    told = report.to_dict()
    assert (told["slow"], told["p50"], told["p99"], told["failed"]) == (5, 0.01, 5.5, 0)


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({}, "no server is named"),
        ({"KUBECONFIG": "/nowhere"}, "KUBECONFIG=/nowhere is no file"),
        ({"KUBECONFIG": __file__}, "SANDBOX_HOST_ADDRESS"),
        ({"VAULT_ADDR": "http://vault"}, "VAULT_TOKEN"),
    ],
)
def test_external_names_what_is_missing(environment: dict[str, str], complaint: str) -> None:
    with pytest.raises(NotReady, match=complaint):
        External.from_environment({"SANDBOX_EXTERNAL": "1", **environment})


def test_servers_of_the_user_are_left_alone_unless_asked() -> None:
    ambient = {"KUBECONFIG": __file__, "VAULT_ADDR": "https://vault.example", "VAULT_TOKEN": "s.x"}
    assert External.from_environment(ambient) == External()


def test_external_takes_one_server_and_emulates_the_other() -> None:
    environment = {
        "SANDBOX_EXTERNAL": "1", "KUBECONFIG": __file__, "SANDBOX_HOST_ADDRESS": "10.0.0.5",
        "SANDBOX_IMAGE_PREFIX": "registry.example/team/", "SANDBOX_NAMESPACE": "drill",
    }  # fmt: skip
    external = External.from_environment(environment)
    assert (external.kubeconfig, external.vault_address) == (Path(__file__), "")
    assert (external.host_address, external.image_prefix, external.namespace) == (
        "10.0.0.5", "registry.example/team/", "drill",
    )  # fmt: skip


def test_running_pods_become_targets_behind_the_api() -> None:
    pods = [
        {"metadata": {"name": "b"}, "status": {"phase": "Running"}},
        {"metadata": {"name": "a"}, "status": {"phase": "Running"}},
        {"metadata": {"name": "c"}, "status": {"phase": "Pending"}},
        {"metadata": {"name": "d"}},
    ]
    found = targets("https://api.example:6443/cluster/one/", "production", pods)
    assert [target["labels"]["pod"] for target in found] == ["a", "b"]
    assert found[0]["targets"] == ["api.example:6443"]
    path = "/cluster/one/api/v1/namespaces/production/pods/a:8080/proxy/metrics"
    assert found[0]["labels"]["__metrics_path__"] == path


def test_configurations_build_on_one_another() -> None:
    assert configuration(1) == {"APP_SESSION_SECONDS": "900", "APP_PAGE_SIZE": "20", "APP_CURRENCY": "EUR"}
    six, seven = configuration(6), configuration(7)
    assert {name: (six.get(name), seven[name]) for name in seven if six.get(name) != seven[name]} == {
        "APP_LOYALTY_RATE": (None, "10"),
        "APP_PAGE_SIZE": ("50", "100"),
        "APP_SUPPORT_EMAIL": (None, "loyalty@example.test"),
    }


def test_s3_keeps_objects(tmp_path: Path) -> None:
    boto3 = pytest.importorskip("boto3")
    with S3Server(tmp_path) as server:
        client = boto3.client(
            "s3", endpoint_url=server.url, region_name="us-east-1",
            aws_access_key_id=server.access_key, aws_secret_access_key=server.secret_key,
        )  # fmt: skip
        client.put_object(Bucket=server.bucket, Key="a/b.dump", Body=b"data")
        assert client.get_object(Bucket=server.bucket, Key="a/b.dump")["Body"].read() == b"data"
