# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sandbox's Prometheus scrapes and Alertmanager sends, as configuration data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SCRAPE = "1s"


def prometheus(kubernetes: Mapping[str, Any], token_file: Path, targets: Path, alertmanager: str) -> dict[str, Any]:
    """Scrape the pods that ``targets`` lists (see discovery.py) with a token of the cluster.

    ``kubernetes`` holds the API's ``url``, ``ca_file`` ('' for the system's) and ``verify_tls``.
    """
    tls = {"ca_file": kubernetes["ca_file"]} if kubernetes["ca_file"] else {}
    job = {
        "job_name": "api-server",
        "scheme": urlsplit(kubernetes["url"]).scheme,
        "authorization": {"credentials_file": str(token_file)},
        "tls_config": {**tls, "insecure_skip_verify": not kubernetes["verify_tls"]},
        "file_sd_configs": [{"files": [str(targets)]}],
    }
    return {
        "global": {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE},
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [urlsplit(alertmanager).netloc]}]}]},
        "scrape_configs": [job],
    }


def alertmanager(webhook: str) -> dict[str, Any]:
    """Send every alert to the webhook sink at once."""
    return {
        "route": {"receiver": "webhook", "group_wait": "1s", "group_interval": "5s", "repeat_interval": "1h"},
        "receivers": [{"name": "webhook", "webhook_configs": [{"url": f"{webhook}/alertmanager"}]}],
    }


def rules() -> list[dict[str, Any]]:
    """The plan's automatic triggers as alerts, with windows short enough for a sandbox."""
    failed = 'sum(rate(http_requests_total{code=~"5.."}[15s]))'
    p99 = "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[15s])))"
    return [
        {
            "name": "rollback-triggers",
            "rules": [
                {
                    "alert": "ErrorRate",
                    "expr": f"{failed} / sum(rate(http_requests_total[15s])) > 0.10",
                    "for": "5s",
                    "labels": {"severity": "critical", "service": "api-server"},
                },
                {
                    "alert": "P99Latency",
                    "expr": f"{p99} > 5",
                    "for": "5s",
                    "labels": {"severity": "critical", "service": "api-server"},
                },
            ],
        }
    ]
