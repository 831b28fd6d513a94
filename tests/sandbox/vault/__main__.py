# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.sandbox.vault --directory DIR``: serve until SIGTERM; ``DIR/vault.json`` appears when ready."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import ssl
from pathlib import Path

os.environ["AIOHTTP_NO_EXTENSIONS"] = "1"  # the compiled parser refuses Vault's method LIST

from aiohttp import web

from tests.sandbox.vault.app import application
from tests.sandbox.vault.core import Vault
from tests.sandbox.vault.tls import Authority
from tests.sandbox.vault.wire import identifier


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.vault", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="where vault.json and certificates go")
    parser.add_argument("--port", type=int, default=0, help="port on loopback; 0 picks a free one")
    parser.add_argument("--tls", action="store_true", help="serve HTTPS with a certificate of its own authority")
    parser.add_argument("--clustered", action="store_true", help="start uninitialised, as a node of a raft cluster")
    parser.add_argument("--modern", action="store_true", help="answer as releases after 1.8 do")
    parser.add_argument("--election", type=float, default=0.3, help="seconds without a leader after a step-down")
    return parser.parse_args()


def tls_context(directory: Path) -> ssl.SSLContext:
    """Server side TLS that asks for, but does not insist on, a client certificate."""
    authority = Authority(directory)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.path)
    context.load_cert_chain(*authority.issue("vault"))
    authority.issue("client")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    options.directory.mkdir(parents=True, exist_ok=True)
    vault = Vault(clustered=options.clustered, modern=options.modern, election=options.election)
    root = "" if options.clustered else vault.tokens.add_root("s." + identifier()).id
    runner = web.AppRunner(application(vault), access_log=None)
    await runner.setup()
    context = tls_context(options.directory) if options.tls else None
    await web.TCPSite(runner, "127.0.0.1", options.port, ssl_context=context).start()
    vault.seal.address = f"{'https' if options.tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    facts = {"address": vault.seal.address, "root_token": root, "unseal_keys": vault.seal.keys}
    if options.tls:
        facts["ca_cert"] = str(options.directory / "ca.pem")
    fresh = options.directory / "vault.json.new"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(facts))
    fresh.replace(options.directory / "vault.json")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
