# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.sandbox.kubernetes``: serve until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import logging
import signal
from pathlib import Path

from .cluster import Settings
from .start import serve


def _settings() -> tuple[Settings, int, dict[str, str]]:
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.kubernetes", description=__doc__)
    parser.add_argument(
        "--directory", type=Path, required=True, help="where kubeconfig, certificates and logs are kept"
    )
    parser.add_argument("--images", type=Path, required=True, help="JSON: image name -> {argv, env, cwd, pull_errors}")
    parser.add_argument("--pod-network", type=ipaddress.IPv4Network, required=True, help="a part of 127.0.0.0/8")
    parser.add_argument("--port", type=int, default=0, help="of the API; 0 chooses a free one")
    parser.add_argument(
        "--haste", type=float, default=5.0, help="divides the back-offs of a real kubelet (10 s, 20 s ...)"
    )
    parser.add_argument(
        "--user", action="append", default=[], metavar="NAME:TOKEN", help="one more user without rights"
    )
    options = parser.parse_args()
    settings = Settings(options.directory.absolute(), options.images.absolute(), options.pod_network, options.haste)
    return settings, options.port, dict(reversed(user.split(":", 1)) for user in options.user)


async def _main() -> None:
    settings, port, users = _settings()
    settings.directory.mkdir(parents=True, exist_ok=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(serve(settings, port, users))
        await stop.wait()


logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
asyncio.run(_main())
