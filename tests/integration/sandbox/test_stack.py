# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole sandbox: it starts, ships releases as a pipeline does, shows their faults, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.rollback.conftest import let_customers_in
from tests.sandbox.fixtures import Sandbox
from tests.sandbox.process import wait_until
from tests.sandbox.stack import ENDPOINTS, TOOLS
from tests.sandbox.supervisor import down, running, up

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.sandbox


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 -- the sandbox's URLs
        return json.load(answer)


def serves(url: str, status: int) -> bool:
    """Whether ``url`` is answered with ``status``."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 -- the sandbox's URLs
            return bool(answer.status == status)
    except urllib.error.HTTPError as error:
        return error.code == status


def prometheus(sandbox: Sandbox, query: str) -> float | None:
    """The one value of an instant query; None while there is no data."""
    url = f"{sandbox.endpoints['prometheus']['url']}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    result = get(url)["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def left(directory: Path) -> list[str]:
    """Command lines of processes that work in or for ``directory``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(directory).encode() in words:
            found.append(words.decode(errors="replace").replace("\0", " ")[:200])
    return found


def command(directory: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.sandbox", *words],
        cwd=ROOT, env={**os.environ, "SANDBOX_DIR": str(directory), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_shipped_releases_are_seen_by_everybody(fresh_sandbox: Callable[[], Sandbox]) -> None:
    sandbox = fresh_sandbox()
    sandbox.ship("1.4.1")
    path = f"secret/{sandbox.endpoints['namespace']}/app-config"
    assert sandbox.steps == [
        "schema: version: 41",
        f"configuration: version 6 of {path}",
        f"application: deployment/api-server runs {sandbox.endpoints['shop']['image_prefix']}api-server:1.4.1",
    ]
    with sandbox.load(rate=20) as good:
        assert get(f"{sandbox.url}/version") == {"version": "1.4.1"}
        wait_until(lambda: (prometheus(sandbox, "sum(rate(http_requests_total[15s]))") or 0) > 2, 30, "traffic")
    assert good.report["failed"] == 0, good.report
    failed = 'sum(rate(http_requests_total{code=~"5.."}[15s]))'
    assert prometheus(sandbox, failed) is None

    sandbox.ship("1.4.2")
    assert sandbox.steps[3:5] == ["schema: version: 42", f"configuration: version 7 of {path}"]
    ratio = f"{failed} / sum(rate(http_requests_total[15s]))"
    p99 = "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[15s])))"
    with sandbox.load(rate=20) as bad:
        assert get(f"{sandbox.url}/version") == {"version": "1.4.2"}
        wait_until(lambda: 0.2 < (prometheus(sandbox, ratio) or 0) < 0.3, 30, "a quarter of errors")
        wait_until(lambda: (prometheus(sandbox, p99) or 0) > 5, 30, "slow requests")
        alerts = sandbox.endpoints["webhook"]["directory"]
        wait_until(lambda: any("ErrorRate" in f.read_text() for f in Path(alerts).glob("*.json")), 30, "an alert")
    assert 0.2 < bad.report["error_ratio"] < 0.3, bad.report
    assert bad.report["slow"] > 0
    assert sandbox.query("SELECT count(*) > 0 FROM loyalty_accounts") == [(True,)]


def test_rolling_update_loses_no_request(sandbox: Sandbox) -> None:
    let_customers_in(sandbox)
    sandbox.ship("1.4.3")
    with sandbox.load(rate=30) as load:
        patch = {"spec": {"template": {"metadata": {"annotations": {"restarted": str(os.getpid())}}}}}
        deployment = sandbox.cluster.path("Deployment", "api-server")
        sandbox.cluster.call("PATCH", deployment, patch, "application/merge-patch+json")
        sandbox.cluster.wait_rollout("api-server")
    assert load.report["failed"] == 0, load.report
    assert load.report["requests"] > 0


def test_secret_follows_vault_and_heals(sandbox: Sandbox) -> None:
    sandbox.ship("1.4.3")
    before = (sandbox.cluster.get("Secret", "app-config") or {})["data"]
    patch = {"data": {"APP_PAGE_SIZE": None, "APP_STRAY": "eA=="}}
    sandbox.cluster.call("PATCH", sandbox.cluster.path("Secret", "app-config"), patch, "application/merge-patch+json")
    wait_until(lambda: (sandbox.cluster.get("Secret", "app-config") or {})["data"] == before, 10, "a healed secret")


def test_endpoints_are_private_and_variables_work(sandbox: Sandbox) -> None:
    assert stat.S_IMODE((sandbox.directory / ENDPOINTS).stat().st_mode) == 0o600
    said = command(sandbox.directory, "env")
    assert said.returncode == 0
    shell = subprocess.run(
        ["bash", "-c", 'eval "$1" && psql -Atc "SELECT 6 * 7"', "-", said.stdout],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert (shell.returncode, shell.stdout) == (0, "42\n"), shell.stderr
    assert command(sandbox.directory, "status").returncode == 0


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_kubectl_reads_the_sandbox_like_a_cluster(sandbox: Sandbox) -> None:
    sandbox.ship("1.4.3")
    namespace = sandbox.endpoints["namespace"]
    done = subprocess.run(
        ["kubectl", "get", "deploy,rs,pods", "-n", namespace],
        env=sandbox.environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["deployment.apps/api-server", "3/3", "3", "3"] in [line[:4] for line in lines]
    assert done.stdout.count("pod/api-server-") == 3


def test_service_can_be_handed_to_the_maintenance_page(sandbox: Sandbox) -> None:
    sandbox.ship("1.4.3")
    service = sandbox.cluster.path("Service", "api-server")
    for app, wanted in (("maintenance", 503), ("api-server", 200)):
        patch = {"spec": {"selector": {"app": app}}}
        sandbox.cluster.call("PATCH", service, patch, "application/merge-patch+json")
        behind = partial(serves, f"{sandbox.url}/health", wanted)
        wait_until(behind, 10, f"{app} behind the service")


def test_sandboxes_side_by_side_end_without_a_trace(fresh_sandbox: Callable[[], Sandbox]) -> None:
    one, two = fresh_sandbox(), fresh_sandbox()
    ports = [{s.url, s.endpoints["postgres"]["port"], s.endpoints["prometheus"]["url"]} for s in (one, two)]
    assert not ports[0] & ports[1]
    assert up(one.directory) == one.endpoints  # a second start finds the first
    assert left(one.directory)
    assert down(one.directory)
    assert left(one.directory) == []
    assert not (one.directory / ENDPOINTS).exists()
    assert not down(one.directory)

    assert running(two.directory)
    two.ship("1.4.0")
    assert get(f"{two.url}/version") == {"version": "1.4.0"}
    os.kill(int((two.directory / "supervisor.lock").read_text()), signal.SIGKILL)
    wait_until(lambda: left(two.directory) == [], 20, "end of everything that the supervisor had started")
    assert command(two.directory, "status").returncode == 3


def test_interrupted_start_leaves_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "stack"
    argv = [sys.executable, "-m", "tests.sandbox", "up"]
    start = subprocess.Popen(
        argv, cwd=ROOT, env={**os.environ, "SANDBOX_DIR": str(directory)}, stderr=subprocess.PIPE,
        # A suite that was started in the background ignores it, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    wait_until((directory / "postgres").exists, 20, "the first servers")
    start.send_signal(signal.SIGINT)
    try:
        assert start.wait(60) == 130
        assert start.communicate()[1] == b""
        assert left(directory) == []
    finally:
        down(directory)


def test_missing_tool_is_one_line_that_installs_it(tmp_path: Path) -> None:
    done = command(tmp_path / "stack", "up", PATH="/nowhere")
    assert done.returncode == 1
    packages = " ".join(sorted(set(TOOLS.values())))
    assert done.stderr == (
        f"sandbox: missing: {', '.join(TOOLS)}; install with: apt-get install --no-install-recommends {packages}\n"
    )


def test_no_sandbox_is_one_line_that_starts_one(tmp_path: Path) -> None:
    done = command(tmp_path, "ship", "1.4.1")
    assert (done.returncode, done.stderr) == (1, f"sandbox: no sandbox runs in {tmp_path}; start one: make sandbox\n")
