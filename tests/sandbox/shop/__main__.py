# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the shop: ``SHOP_VERSION=1.4.1 python -m shop``, settings from the environment."""

from __future__ import annotations

import os
import sys

from .app import Shop
from .database import Database
from .server import CPU_LIMIT, MEMORY_LIMIT, Server, log
from .settings import Settings
from .versions import RELEASES


def main() -> int:
    """Serve until SIGTERM; the exit status is 0 after a clean end, 2 for wrong settings."""
    version = os.environ.get("SHOP_VERSION", "")
    if version not in RELEASES:
        log(f"SHOP_VERSION is {version!r}; known: {', '.join(RELEASES)}")
        return 2
    try:
        settings = Settings.from_environment(os.environ)
        port = int(os.environ.get("LISTEN_PORT", "8080"))
        CPU_LIMIT.set(float(os.environ.get("CPU_LIMIT_CORES", os.cpu_count() or 1)))
        MEMORY_LIMIT.set(float(os.environ.get("MEMORY_LIMIT_BYTES", "inf")))
    except ValueError as error:
        log(f"settings: {error}")
        return 2
    database = Database({**settings.database, "application_name": f"shop {version}"})
    server = Server((os.environ.get("LISTEN_ADDRESS", "0.0.0.0"), port), Shop(RELEASES[version], settings, database))
    server.stop_on_signal()
    log(f"shop {version} listens on {server.server_name}:{server.server_port}")
    server.serve_forever(poll_interval=0.2)
    server.finish()
    log("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
