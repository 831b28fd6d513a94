# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole sandbox: starts every server, tells where each is in ``endpoints.json``, and ends them all."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import hvac

from tests.sandbox import monitoring
from tests.sandbox.cluster import Cluster, manifests
from tests.sandbox.external import External, clear_namespace, prepare_namespace, prepare_vault
from tests.sandbox.kubernetes.server import KubernetesServer
from tests.sandbox.postgres import PostgresServer, bin_directory
from tests.sandbox.process import LOOPBACK, NotReady, Process
from tests.sandbox.prometheus import AlertmanagerServer, PrometheusServer
from tests.sandbox.s3 import S3Server
from tests.sandbox.shop.versions import RELEASES
from tests.sandbox.sinks import SmtpSink, WebhookSink
from tests.sandbox.vault.server import VaultServer

ROOT = Path(__file__).resolve().parents[2]
ENDPOINTS = "endpoints.json"
DATABASE = "shop"
TARGETS = "targets.json"
DIRECTORIES = ("postgres", "kubernetes", "vault", "prometheus", "alertmanager", "smtp", "webhook", "s3")
FILES = (ENDPOINTS, "prometheus.token", "kubernetes-ca.crt", "secret_sync.log", "discovery.log", "vault.token")
HELPERS = ("secret_sync", "discovery")
TOOLS = {
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "psql": "postgresql-client",
    "pg_dump": "postgresql-client",
}


class Server(Protocol):
    """What every server here has."""

    process: Process | None

    def stop(self) -> None:
        """End it."""


def check_tools() -> None:
    """Raise NotReady with one line that installs what is missing."""
    missing = {tool: package for tool, package in TOOLS.items() if not shutil.which(tool)}
    try:
        bin_directory()
    except NotReady:
        missing["initdb"] = "postgresql"
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        line = f"missing: {', '.join(missing)}; install with: apt-get install --no-install-recommends {packages}"
        raise NotReady(line)


class Helper:
    """A process of the sandbox itself, as a server."""

    def __init__(self, process: Process) -> None:
        self.process: Process | None = process

    def stop(self) -> None:
        """End it."""
        if self.process:
            self.process.stop()


class Stack:
    """All servers of one sandbox below ``directory``; ``start`` returns the endpoints."""

    def __init__(self, directory: Path, external: External | None = None) -> None:
        """Nothing is started yet."""
        self.directory = directory.absolute()
        self.external = external or External()
        self.servers: dict[str, Server] = {}
        # A server dies with the *thread* that started it (PR_SET_PDEATHSIG): these threads live as long as the stack.
        self._threads = ThreadPoolExecutor(8)

    def start(self) -> dict[str, Any]:
        """Start everything; raises NotReady after ending what had been started."""
        check_tools()
        self.clean()
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def clean(self) -> None:
        """Remove what an earlier sandbox left in the directory; only names that a sandbox makes."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for name in DIRECTORIES:
            shutil.rmtree(self.directory / name, ignore_errors=True)
        for name in FILES:
            (self.directory / name).unlink(missing_ok=True)

    def stop(self) -> None:
        """End every server; a real cluster is left as it was found."""
        try:
            if self.external.kubeconfig:
                for name in HELPERS:  # or they would put back what is taken away
                    if name in self.servers:
                        self.servers[name].stop()
                clear_namespace(Cluster(self.external.kubeconfig, self.external.namespace))
        finally:
            list(self._threads.map(lambda server: server.stop(), reversed(self.servers.values())))
            self._threads.shutdown()
            (self.directory / ENDPOINTS).unlink(missing_ok=True)

    def _start(self) -> dict[str, Any]:
        here = self.directory
        (here / "backups").mkdir(exist_ok=True)
        webhook = self._add("webhook", WebhookSink(here / "webhook"))
        smtp = self._add("smtp", SmtpSink(here / "smtp"))
        alertmanager = self._add(
            "alertmanager", AlertmanagerServer(here / "alertmanager", monitoring.alertmanager(webhook.url))
        )
        s3 = self._add("s3", S3Server(here / "s3"))
        starts: list[Callable[[], Any]] = [self._kubernetes, self._postgres, self._vault]
        starts += [s3.start, alertmanager.start, smtp.start, webhook.start]
        running = [self._threads.submit(start) for start in starts]
        kubernetes, postgres, vault, *_ = [future.result() for future in running]
        endpoints = {
            "directory": str(here),
            "namespace": self.external.namespace,
            "external": {
                "kubernetes": bool(self.external.kubeconfig),
                "vault": bool(self.external.vault_address),
            },
            "kubernetes": kubernetes,
            "vault": vault,
            "postgres": postgres,
            "prometheus": {"url": self._prometheus(kubernetes, alertmanager.url)},
            "alertmanager": {"url": alertmanager.url},
            "smtp": {"host": LOOPBACK, "port": smtp.port, "directory": str(smtp.directory)},
            "webhook": {"url": webhook.url, "directory": str(webhook.directory)},
            "s3": {"url": s3.url, "bucket": s3.bucket, "access_key": s3.access_key, "secret_key": s3.secret_key},
            "shop": self._shop(kubernetes, postgres),
        }
        self._helpers(endpoints)
        endpoints["processes"] = {
            name: {"pid": server.process.pid, "started": started(server.process.pid)}
            for name, server in self.servers.items()
            if server.process
        }
        write_private(here / ENDPOINTS, json.dumps(endpoints, indent=1) + "\n")
        return endpoints

    def _add(self, name: str, server: Any) -> Any:
        self.servers[name] = server
        return server

    def _kubernetes(self) -> dict[str, Any]:
        """The API that is used, with the things in it that stand before the first release."""
        external = self.external
        if external.kubeconfig:
            kubeconfig = external.kubeconfig
        else:
            server = self._add("kubernetes", KubernetesServer(self.directory / "kubernetes", images()))
            server.start()
            kubeconfig = Path(server.kubeconfig)
        cluster = Cluster(kubeconfig, external.namespace)
        if external.kubeconfig:
            prepare_namespace(cluster)
        elif not cluster.get("Namespace", external.namespace):
            cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": external.namespace}})
        values = {
            "namespace": external.namespace,
            "maintenance_image": f"{external.image_prefix}maintenance:1",
        }
        for wanted in manifests("base.yml", values):
            cluster.apply(wanted)
        token = self.directory / "prometheus.token"
        write_private(token, cluster.token("prometheus"))
        address = LOOPBACK
        if external.kubeconfig:
            address = external.node_address or cluster.node_address()
        return {
            "kubeconfig": str(kubeconfig),
            "url": cluster.url,
            "ca_file": self._ca(cluster),
            "verify_tls": bool(cluster.api.configuration.verify_ssl),
            "prometheus_token_file": str(token),
            "shop_url": f"http://{address}:{cluster.node_port('api-server')}",
            "internal_url": f"http://{address}:{cluster.node_port('api-server-internal')}",
        }

    def _ca(self, cluster: Cluster) -> str:
        """A copy of the API's certificate authority: the client may have it in a temporary file only. '' if none."""
        if not cluster.ca_file:
            return ""
        copy = self.directory / "kubernetes-ca.crt"
        shutil.copyfile(cluster.ca_file, copy)
        return str(copy)

    def _postgres(self) -> dict[str, Any]:
        """PostgreSQL with the shop's empty database: one role owns the schema, another one works in it."""
        host = self.external.host_address
        settings = [f"listen_addresses={LOOPBACK},{host}"] if host else []
        server = self._add("postgres", PostgresServer(self.directory / "postgres", settings=settings))
        server.start()
        if host:  # pods come from addresses that only the cluster knows; they need the password all the same
            with Path(server.execute("SHOW hba_file")[0][0]).open("a") as rules:
                rules.write("host all all all scram-sha-256\n")
            server.execute("SELECT pg_reload_conf()")
        owner, application = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
        server.create_role("shop_owner", owner, "LOGIN CREATEDB")
        server.create_role("shop", application)
        server.create_database(DATABASE, "shop_owner")
        grants = "SELECT, INSERT, UPDATE, DELETE ON TABLES TO shop"
        server.execute(f"ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner GRANT {grants}", DATABASE)
        return {
            "host": server.host,
            "port": server.port,
            "database": DATABASE,
            "users": {
                "owner": {"user": "shop_owner", "password": owner},
                "application": {"user": "shop", "password": application},
                "superuser": {"user": server.superuser, "password": server.password},
            },
        }

    def _vault(self) -> dict[str, str]:
        """The Vault that is used, with an empty place for the configuration."""
        external = self.external
        mount, path = "secret", f"{external.namespace}/app-config"
        address, token = external.vault_address, external.vault_token
        if address:
            prepare_vault(hvac.Client(address, token, timeout=30), mount, path)
        else:
            server = self._add("vault", VaultServer(self.directory / "vault"))
            server.start()
            address, token = server.address, server.root_token
        # More than the default of ten: the tests ship and roll back far more often than anybody would.
        secrets_engine = hvac.Client(address, token, timeout=30).secrets.kv.v2
        secrets_engine.update_metadata(path, max_versions=100, mount_point=mount)
        file = self.directory / "vault.token"
        write_private(file, token)
        return {"address": address, "token": token, "token_file": str(file), "mount": mount, "path": path}

    def _prometheus(self, kubernetes: dict[str, Any], alertmanager: str) -> str:
        """Start Prometheus on the pods of the namespace; its URL."""
        token_file = Path(kubernetes["prometheus_token_file"])
        targets = self.directory / "prometheus" / TARGETS
        config = monitoring.prometheus(kubernetes, token_file, targets, alertmanager)
        server = self._add("prometheus", PrometheusServer(targets.parent, config, monitoring.rules()))
        self._threads.submit(server.start).result()
        return str(server.url)

    def _shop(self, kubernetes: dict[str, Any], postgres: dict[str, Any]) -> dict[str, Any]:
        """What a release needs to know, and where the shop is reached."""
        application = postgres["users"]["application"]
        return {
            "url": kubernetes.pop("shop_url"),
            "internal_url": kubernetes.pop("internal_url"),
            "image_prefix": self.external.image_prefix,
            "database": {
                "APP_DB_HOST": self.external.host_address or postgres["host"],
                "APP_DB_PORT": str(postgres["port"]),
                "APP_DB_NAME": postgres["database"],
                "APP_DB_USER": application["user"],
                "APP_DB_PASSWORD": application["password"],
            },
        }

    def _helpers(self, endpoints: dict[str, Any]) -> None:
        """Keep the Kubernetes Secret equal to Vault, and Prometheus' targets equal to the pods, from now on."""
        vault = endpoints["vault"]
        environment = {
            "KUBECONFIG": endpoints["kubernetes"]["kubeconfig"],
            "VAULT_ADDR": vault["address"],
            "VAULT_TOKEN": vault["token"],
            "SANDBOX_NAMESPACE": endpoints["namespace"],
            "SANDBOX_VAULT_MOUNT": vault["mount"],
            "SANDBOX_VAULT_PATH": vault["path"],
        }
        for name in HELPERS:
            words = [str(self.directory / "prometheus" / TARGETS)] if name == "discovery" else []
            argv = [sys.executable, "-m", f"tests.sandbox.{name}", *words]
            log = self.directory / f"{name}.log"
            process = self._threads.submit(Process, argv, log, environment=environment, directory=ROOT).result()
            self._add(name, Helper(process))


def images() -> dict[str, Any]:
    """What each image of the sandbox runs, for the Kubernetes emulator."""
    base = {"cwd": str(Path(__file__).parent)}
    shop = {
        f"shop/api-server:{version}": {
            **base, "argv": [sys.executable, "-m", "shop"], "env": {"SHOP_VERSION": version},
        }
        for version in RELEASES
    }  # fmt: skip
    idle = {f"shop/worker:{version}": {**base, "argv": ["sleep", "infinity"]} for version in RELEASES}
    return {**shop, **idle, "shop/maintenance:1": {**base, "argv": [sys.executable, "-m", "shop.maintenance"]}}


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    unfinished.replace(path)


def started(pid: int) -> str:
    """When a process began, in clock ticks since boot: with the pid it names one process for ever; '' if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def read_endpoints(directory: Path) -> dict[str, Any]:
    """The endpoints of a running sandbox; raises NotReady with the command that starts one."""
    try:
        endpoints: dict[str, Any] = json.loads((directory / ENDPOINTS).read_text())
    except FileNotFoundError:
        raise NotReady(f"no sandbox runs in {directory}; start one: make sandbox") from None
    return endpoints


def directory_from_environment() -> Path:
    """SANDBOX_DIR, or ``.sandbox`` in the checkout."""
    return Path(os.environ.get("SANDBOX_DIR") or ROOT / ".sandbox").absolute()
