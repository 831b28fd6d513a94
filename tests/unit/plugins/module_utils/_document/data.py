# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain data of the shop's release 1.4.2, for the tests of documents."""

from __future__ import annotations

import copy
from typing import Any

Json = dict[str, Any]

MANIFEST: Json = {
    "release": "1.4.2",
    "previous": "1.4.1",
    "service": "shop",
    "document": "P7-ROLLBACK-142",
    "author": "Dana Okafor (DevOps Lead)",
    "summary": "Loyalty points",
    "applications": [
        {
            "name": "api-server",
            "namespace": "production",
            "kind": "Deployment",
            "containers": [{"name": "api", "current": "shop/api-server:1.4.2", "previous": "shop/api-server:1.4.1"}],
        }
    ],
    "databases": [{"name": "shop", "current": "42", "previous": "41", "breaking": True}],
    "configurations": [{"path": "production/app-config", "current": 7, "previous": 6}],
    "cluster_configurations": [],
}
PLAN: Json = {
    "manifest": MANIFEST,
    "manifest_path": "1.4.2.yml",
    "manifest_sha256": "9f86d081",
    "environment": "eu-west",
    "applications": [
        {
            "kind": "Deployment",
            "name": "api-server",
            "namespace": "production",
            "position": "release",
            "images": {"api": "shop/api-server:1.4.2"},
            "replicas": 3,
            "recorded_replicas": None,
            "ready": 3,
            "target": {"revision": 6, "images": {"api": "shop/api-server:1.4.1"}},
        }
    ],
    "databases": [
        {
            "name": "shop",
            "current": "42",
            "target": "41",
            "steps": [{"version": "42", "to": "41", "name": "loyalty"}],
            "loss": {"rows": 0, "items": [], "unseen": []},
        }
    ],
    "configurations": [
        {
            "path": "production/app-config",
            "mount": "secret",
            "live_version": 7,
            "target_version": 6,
            "equal": False,
            "keys_added": [],
            "keys_removed": ["APP_LOYALTY_RATE"],
            "keys_changed": ["APP_PAGE_SIZE"],
        }
    ],
    "left": {"pending": True, "strategy": "quiesce", "reason": "a breaking down-migration is left", "drift": []},
    "problems": [],
    "triggers": [
        {"name": "Error Rate", "threshold": "fail_if > 10 %", "verdict": "pass", "message": "0.2 % now."},
        {"name": "https://shop.example/health", "verdict": "pass", "message": "status 200 in 4 ms"},
    ],
    "probe_failures": 3,
    "conditions": {"data_corruption": {"text": "Data corruption", "makers": ["DBA", "Dev Lead"]}},
    "maintenance": ["service"],
    "images": [
        {"image": "shop/api-server:1.4.1", "verdict": "pass", "message": "in registry.example as sha256:11"},
    ],
    "rehearsals": [{"name": "shop", "verdict": "pass", "steps": [{"version": "42", "seconds": 0.4}]}],
    "backup_directory": "/srv/backups",
    "backups": [{"name": "shop"}],
    "smoke_tests": [
        {"name": "Health Check", "path": "/health"},
        {"name": "Version Check", "path": "/version", "json": [{"path": "$.version", "equals": "1.4.1"}]},
        {"name": "Login", "method": "POST", "path": "/auth/login", "extract": {"token": "$.token"}},
        {"name": "Core Function", "path": "/api/products", "json": [{"path": "$.products", "min_items": 1}]},
    ],
    "monitoring": [{"name": "Error Rate", "expect": "< 1%", "held": "2m"}],
    "channels": [{"name": "team", "type": "email"}],
    "contacts": [
        {"role": "DBA", "name": "Ann Lee", "phone": "+00 2", "availability": "24/7", "on_duty": True},
        {"role": "Dev Lead", "name": "Bo Chen", "phone": "+00 3", "availability": "Business hours", "on_duty": False},
    ],
    "approvals": [
        {
            "role": "DevOps Lead",
            "verdict": "pass",
            "message": "signed by dana@example.com",
            "signer": "dana@example.com",
            "fingerprint": "ED25519 SHA256:M/kC8",
            "date": "2026-11-20",
            "command": "ssh-keygen -Y sign devops-lead",
        }
    ],
    "approval_required": True,
    "records": [],
}
RECORD: Json = {
    "id": "1.4.2-20261123t192320z",
    "release": "1.4.2",
    "previous": "1.4.1",
    "service": "shop",
    "document": "P7-ROLLBACK-142",
    "environment": "eu-west",
    "opened_at": "2026-11-23T19:23:20.925Z",
    "opened_by": "dana@control/25472",
    "status": "completed",
    "closed_at": "2026-11-23T19:23:53.005Z",
    "decision": {
        "kind": "automatic",
        "reason": "Error Rate: 30 % now",
        "detected_at": "2026-11-23T19:23:15.132Z",
        "makers": [],
        "evidence": [{"name": "Error Rate", "verdict": "fail", "message": "30 % now.", "threshold": "fail_if > 10 %"}],
    },
    "steps": [
        {
            "name": "database",
            "status": "done",
            "started_at": "2026-11-23T19:23:32.701Z",
            "ended_at": "2026-11-23T19:23:34.257Z",
            "details": {},
        },
        {
            "name": "verification",
            "status": "done",
            "started_at": "2026-11-23T19:23:39.245Z",
            "ended_at": "2026-11-23T19:23:42.254Z",
            "details": {"found": "4 of 4 smoke tests passed"},
        },
    ],
    "notices": ["1.4.2-20261123t192320z:started@team", "1.4.2-20261123t192320z:completed@team"],
    "facts": {
        "strategy": "quiesce",
        "steps": [{"component": "database", "name": "shop", "from": "migration 42", "to": "migration 41"}],
        "backups": [
            {
                "database": "shop",
                "path": "/srv/backups/1.4.2.dump",
                "size": 19300,
                "sha256": "6f4a77a4",
                "proof": {"level": "read", "verdict": "pass"},
            }
        ],
        "rehearsals": [{"name": "shop", "verdict": "pass", "note": "", "steps": [{"seconds": 1.9}], "lost": 37}],
        "smoke_tests": [{"name": "Login", "verdict": "pass", "message": "status 200 in 51 ms"}],
        "monitoring": [{"name": "Memory", "verdict": "pass", "message": "26 % now"}],
    },
}


def plan_data() -> Json:
    """A copy to change."""
    return copy.deepcopy(PLAN)


def run_record() -> Json:
    """A copy to change."""
    return copy.deepcopy(RECORD)


def metric(name: str = "Error Rate", **more: Any) -> Json:
    """A check with samples, as prometheus_threshold_info returns it."""
    start = 1795461700.0
    values = [0.01, 0.02, 0.3, 0.35, "NaN", 0.0, 0.01]
    samples = [[start + 15 * index, value] for index, value in enumerate(values)]
    return {"name": name, "condition": "fail_if > 10 %", "threshold": 0.1, "unit": "ratio", "samples": samples, **more}
