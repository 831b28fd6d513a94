# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus and a real Alertmanager on loopback, each in a directory of its own."""

from __future__ import annotations

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.sandbox.process import LOOPBACK, Process, free_port

INTERVAL = "1s"  # how often the sandbox scrapes and evaluates unless its configuration says otherwise


class _Server:
    """What both servers share: an address, a readiness page, a log."""

    def __init__(self, directory: Path, port: int | None) -> None:
        self.directory = directory
        self.port = port or free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.process: Process | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def argv(self) -> list[str | Path]:
        """The command line of the server."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether the server says that it is ready."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:  # noqa: S310 -- a loopback URL
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def start(self, timeout: float = 30) -> None:
        """Start the server and wait until it is ready."""
        name = str(self.argv()[0])
        self.process = Process(self.argv(), self.directory / f"{name}.log", directory=self.directory)
        self.process.wait_ready(self.ready, timeout)

    def stop(self) -> None:
        """End the server; its data stay in the directory."""
        if self.process:
            self.process.stop()
            self.process = None

    def __enter__(self) -> _Server:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


class PrometheusServer(_Server):
    """Prometheus with a configuration given as a mapping and, where wanted, rule groups and past samples."""

    def __init__(
        self,
        directory: Path,
        config: Mapping[str, Any],
        rules: Sequence[Mapping[str, Any]] | None = None,
        *,
        port: int | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        """``config`` as in prometheus.yml, ``rules`` a list of rule groups, ``flags`` more command line words."""
        super().__init__(directory, port)
        self.config = dict(config)
        self.rules = list(rules or [])
        self.flags = list(flags)
        self.data = directory / "data"
        self.write()

    def write(self) -> None:
        """Write prometheus.yml and rules.yml from ``config`` and ``rules``."""
        own = {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL}
        config = {**self.config, "global": {**own, **self.config.get("global", {})}}
        if self.rules:
            rules = self.directory / "rules.yml"
            rules.write_text(yaml.safe_dump({"groups": self.rules}, sort_keys=False))
            config["rule_files"] = [str(rules), *self.config.get("rule_files", [])]
        (self.directory / "prometheus.yml").write_text(yaml.safe_dump(config, sort_keys=False))

    def argv(self) -> list[str | Path]:
        """Prometheus as Debian ships it, with the lifecycle API for reloads."""
        return [
            "prometheus",
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.data}",
            f"--web.listen-address={LOOPBACK}:{self.port}",
            "--web.enable-lifecycle",
            *self.flags,
        ]

    def reload(self) -> None:
        """Write the configuration again and make the running server read it."""
        self.write()
        request = urllib.request.Request(f"{self.url}/-/reload", method="POST")  # noqa: S310 -- a loopback URL
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass

    def backfill(self, samples: str) -> None:
        """Put past samples (OpenMetrics text with timestamps, ending in ``# EOF``) into the stopped server's data."""
        source = self.directory / "backfill.om"
        source.write_text(samples)
        self.data.mkdir(exist_ok=True)
        done = subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", str(source), str(self.data)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"promtool could not backfill {source}: {done.stderr.strip()}")


class AlertmanagerServer(_Server):
    """Alertmanager with a configuration given as a mapping; it is no member of a cluster."""

    def __init__(self, directory: Path, config: Mapping[str, Any], *, port: int | None = None) -> None:
        """``config`` as in alertmanager.yml."""
        super().__init__(directory, port)
        (directory / "alertmanager.yml").write_text(yaml.safe_dump(dict(config), sort_keys=False))

    def argv(self) -> list[str | Path]:
        """Alertmanager as Debian ships it."""
        return [
            "prometheus-alertmanager",
            f"--config.file={self.directory / 'alertmanager.yml'}",
            f"--storage.path={self.directory / 'data'}",
            f"--web.listen-address={LOOPBACK}:{self.port}",
            "--cluster.listen-address=",
        ]


def openmetrics(series: Mapping[str, Sequence[tuple[float, float | str]]], *, end: float | None = None) -> str:
    """OpenMetrics text of ``series``: sample name with labels -> ``(seconds before end, value)`` pairs.

    ``end`` is in seconds since the epoch, now where it is not given. Samples are written in the order of time.
    """
    end = time.time() if end is None else end
    lines = []
    for name, points in series.items():
        for ago, value in sorted(points, key=lambda point: -point[0]):
            lines.append(f"{name} {value} {end - ago:.3f}")
    return "\n".join([*lines, "# EOF", ""])
