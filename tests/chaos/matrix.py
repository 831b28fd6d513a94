# SPDX-License-Identifier: GPL-3.0-or-later
"""Outside systems times faults: what a step does to a system while its wire is bad, and after it has healed.

Each cell runs one module on a real server of the sandbox, through a proxy of its own. It has to end within its limit,
in success or in an error that names the system; and the same call has to succeed once the fault is gone, without doing
twice what was done before.
"""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Self
from urllib.parse import urlsplit

import hvac
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, execute
from ansible_collections.octalume.rollback.plugins.modules import (
    notice,
    postgres_backup,
    postgres_backup_copy,
    prometheus_threshold_info,
    rollback_record,
    rollback_record_info,
    vault_kv2_rollback,
)

from tests.chaos import wire
from tests.chaos.wire import DRIPS, HANGS, LOST, REFUSED, RESET_MID_ANSWER, SAYS, SLOW, Proxy, http
from tests.returned import seen
from tests.sandbox.sinks import SmtpSink

Params = Mapping[str, Any]
LIMIT = 120.0  # seconds for one call, whatever happens
MAILBOX = "shop:of today"


@dataclass(frozen=True)
class Fault:
    """What the proxy does; ``times`` None is for good. ``params`` is what the caller itself does wrong."""

    name: str
    mode: str = wire.PASS
    times: int | None = None
    answer: bytes = b""
    greets: bool = False
    params: Params = field(default_factory=dict)


@dataclass
class Cell:
    """One system under one fault."""

    system: str
    fault: Fault
    call: Callable[[Params], Any]
    proxy: Proxy | None
    done: Callable[[], object]
    """What must have come of a success, however often it was tried."""
    names: str
    """What an error has to name."""


@dataclass(frozen=True)
class Outcome:
    """What came of one cell."""

    cell: Cell
    during: str
    after: str
    seconds: float
    good: bool

    def __str__(self) -> str:
        name = f"{self.cell.system} x {self.cell.fault.name}"
        return f"{'ok  ' if self.good else 'FAIL'} {self.seconds:5.1f} s  {name}: {self.during}; healed: {self.after}"


def ask(module: ModuleType, params: Params, caller: str = "dana@ops-1") -> dict[str, Any]:
    """Run a module as the control process does."""
    validated = ArgumentSpecValidator(module.ARGUMENTS["argument_spec"]).validate(dict(params))
    assert not validated.error_messages, validated.error_messages
    result = execute(module.run, Call(params=validated.validated_parameters, caller=caller))
    seen(module, result)
    return result


def calling(module: ModuleType, wanted: Params) -> Callable[[Params], Any]:
    """A call of ``module`` as it is ``wanted``, but for what a fault changes."""
    return lambda params: ask(module, {**wanted, **params})


def attempt(cell: Cell, params: Params) -> tuple[str, bool]:
    """``(what came of it, whether it succeeded)``; an exception of any other kind is a fault of ours."""
    try:
        result = cell.call(params)
    except RollbackError as error:
        return f"error: {error.message}", False
    verdicts = [item for item in result.get("checks", result.get("deliveries", ())) if item["verdict"] != "pass"]
    if verdicts:
        return f"error: {verdicts[0]['message']}", False
    return "success", True


def run(cell: Cell) -> Outcome:
    """Break the wire, try, mend it, try again."""
    began = time.monotonic()
    fault = cell.fault
    if cell.proxy:
        cell.proxy.fail(fault.mode, fault.times, fault.answer, greets=fault.greets)
    try:
        during, succeeded = attempt(cell, fault.params)
        seconds = time.monotonic() - began
        if cell.proxy:
            cell.proxy.heal()
        after, healed = attempt(cell, {})
        left = cell.done()
    except Exception:  # noqa: BLE001 - that is what is looked for
        return Outcome(cell, traceback.format_exc(limit=-3), "", time.monotonic() - began, False)
    named = succeeded or cell.names.lower() in during.lower()
    good = named and healed and left is True and seconds < LIMIT
    return Outcome(cell, during, after if left is True else f"{after}, but {left!r}", seconds, good)


def http_faults(expired: int) -> Iterator[Fault]:
    """What can happen to anything that speaks HTTP; ``expired`` is its status for a login that is over."""
    yield Fault("refused", REFUSED)
    yield Fault("refused once", REFUSED, 1)
    yield Fault("hangs", HANGS)
    yield Fault("reset mid-answer", RESET_MID_ANSWER, 1)
    yield Fault("500s", SAYS, None, http(500))
    yield Fault("500 once", SAYS, 1, http(500))
    yield Fault("429s", SAYS, None, http(429, headers="Retry-After: 1\r\n"))
    yield Fault("429 once", SAYS, 1, http(429))
    yield Fault("slow", SLOW)
    yield Fault("drips", DRIPS)
    yield Fault("expired credentials", SAYS, None, http(expired, '{"errors": ["permission denied"]}'))
    yield Fault("full", SAYS, None, http(507))


def smtp_faults() -> Iterator[Fault]:
    """What a mail server can do."""
    yield Fault("refused", REFUSED)
    yield Fault("hangs", HANGS)
    yield Fault("reset mid-answer", RESET_MID_ANSWER)
    yield Fault("500s", SAYS, None, b"554 5.3.0 broken\r\n", greets=True)
    yield Fault("429s", SAYS, None, b"421 4.7.0 too many, come later\r\n", greets=True)
    yield Fault("slow", SLOW)
    yield Fault("drips", DRIPS)
    yield Fault("expired credentials", params={"password": "of yesterday"})
    yield Fault("full", SAYS, None, b"452 4.3.1 out of storage\r\n", greets=True)


def postgres_faults() -> Iterator[Fault]:
    """What a database can do; it has no status of its own for being in a hurry."""
    yield Fault("refused", REFUSED)
    yield Fault("hangs", HANGS)
    yield Fault("reset mid-answer", RESET_MID_ANSWER)
    yield Fault("slow", SLOW)
    yield Fault("expired credentials", params={"login_password": "of yesterday"})


class Matrix:
    """All cells, on the servers of one sandbox."""

    def __init__(self, endpoints: Mapping[str, Any], scratch: Path) -> None:
        self.endpoints, self.scratch = endpoints, scratch
        scratch.mkdir(parents=True, exist_ok=True)
        self.mail = SmtpSink(scratch / "mail", login=MAILBOX)  # the sandbox's own asks nobody who they are

    def __enter__(self) -> Self:
        """Start what the cells need besides the sandbox."""
        self.mail.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """End it."""
        self.mail.stop()

    def cells(self) -> Iterator[Cell]:
        """Every system under every fault that it can have."""
        for number, fault in enumerate((*http_faults(401), Fault("answer to a write lost", LOST, 1))):
            yield self._kubernetes(fault, number)
        for number, fault in enumerate(http_faults(403)):
            yield self._vault(fault, number)
        for fault in http_faults(401):
            yield self._prometheus(fault)
        for number, fault in enumerate(http_faults(401)):
            yield self._webhook(fault, number)
        for number, fault in enumerate(http_faults(403)):
            yield self._s3(fault, number)
        for number, fault in enumerate(smtp_faults()):
            yield self._smtp(fault, number)
        for number, fault in enumerate(postgres_faults()):
            yield self._postgres(fault, number)
        yield self._disk(Fault("refused", params={"path": "/proc/shop.dump"}))

    def _kubernetes(self, fault: Fault, number: int) -> Cell:
        url = urlsplit(self.endpoints["kubernetes"]["url"])
        proxy = Proxy(url.hostname or "", url.port or 0, self.scratch.parent / "server.pem")
        config = yaml.safe_load(Path(self.endpoints["kubernetes"]["kubeconfig"]).read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.port}"
        record = {"release": "1.4.2", "environment": f"cell-{number}", "namespace": self.endpoints["namespace"]}
        login = {"kubeconfig": config, **record}

        def one() -> object:
            found = ask(rollback_record_info, login)["records"]
            return len(found) == 1 or found

        header = {"previous": "1.4.1", "service": "shop", "document": "P7"}
        wanted = {**login, "state": "open", "header": header}
        call = calling(rollback_record, wanted)
        return Cell("Kubernetes", fault, call, proxy, one, "/api/v1" if fault.mode == SAYS else "Kubernetes API at")

    def _vault(self, fault: Fault, number: int) -> Cell:
        vault = self.endpoints["vault"]
        url = urlsplit(vault["address"])
        proxy = Proxy(url.hostname or "", url.port or 0)
        path = f"chaos/cell-{number}"
        store = hvac.Client(vault["address"], vault["token"], timeout=30).secrets.kv.v2
        store.delete_metadata_and_all_versions(path, mount_point=vault["mount"])
        for value in ("previous", "release"):
            store.create_or_update_secret(path, {"value": value}, mount_point=vault["mount"])

        def one() -> object:
            found = store.read_secret_version(path, mount_point=vault["mount"], raise_on_deleted_version=True)["data"]
            return (found["metadata"]["version"], found["data"]) == (3, {"value": "previous"}) or found

        secret = {"path": path, "engine_mount_point": vault["mount"], "version": 1, "current": 2}
        login = {"url": f"http://127.0.0.1:{proxy.port}", "token": vault["token"], "timeout": 5}
        call = calling(vault_kv2_rollback, {**login, "secrets": [secret]})
        return Cell("Vault", fault, call, proxy, one, "Vault")

    def _prometheus(self, fault: Fault) -> Cell:
        url = urlsplit(self.endpoints["prometheus"]["url"])
        proxy = Proxy(url.hostname or "", url.port or 0)
        check = {"name": "Up", "query": "vector(1)", "expect": "< 2"}
        wanted = {"url": f"http://127.0.0.1:{proxy.port}", "checks": [check], "timeout": 5}
        call = calling(prometheus_threshold_info, wanted)
        return Cell("Prometheus", fault, call, proxy, lambda: True, f":{proxy.port}")

    def _notice(self, channel: Params, number: int) -> Callable[[Params], Any]:
        words = {"id": f"chaos-{time.time()}-{number}", "event": "started", "subject": "Chaos", "body": "Chaos"}
        return lambda params: ask(notice, {**words, "channels": [{"name": "one", **channel, **params}], "timeout": 5})

    def _webhook(self, fault: Fault, number: int) -> Cell:
        url = urlsplit(self.endpoints["webhook"]["url"])
        proxy = Proxy(url.hostname or "", url.port or 0)
        call = self._notice({"type": "webhook", "url": f"http://127.0.0.1:{proxy.port}/chaos"}, number)
        return Cell("webhook", fault, call, proxy, lambda: True, f"127.0.0.1:{proxy.port}")

    def _smtp(self, fault: Fault, number: int) -> Cell:
        smtp = self.endpoints["smtp"]
        proxy = Proxy(smtp["host"], self.mail.port if fault.params else smtp["port"])
        way: dict[str, Any] = {"type": "email", "host": "127.0.0.1", "port": proxy.port, "sender": "a@example.test"}
        if fault.params:
            user, password = MAILBOX.split(":")
            way |= {"username": user, "password": password, "secure": "never"}
        call = self._notice({**way, "to": ["b@example.test"]}, number)
        return Cell("SMTP", fault, call, proxy, lambda: True, f"127.0.0.1:{proxy.port}")

    def backup(self, port: int, path: Path) -> dict[str, Any]:
        """The parameters of a backup of the shop's database by this port."""
        postgres = self.endpoints["postgres"]
        owner = postgres["users"]["owner"]
        place = {"login_host": postgres["host"], "login_port": port, "login_db": postgres["database"]}
        login = {"login_user": owner["user"], "login_password": owner["password"]}
        return {**place, **login, "path": str(path), "timeout": 20, "lock_timeout": 5}

    def _postgres(self, fault: Fault, number: int) -> Cell:
        postgres = self.endpoints["postgres"]
        proxy = Proxy(postgres["host"], postgres["port"])
        place = self.scratch / f"backups-{number}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()

        def one() -> object:
            found = sorted(path.name for path in place.iterdir())
            return found == ["shop.dump", "shop.dump.json"] or found

        wanted = self.backup(proxy.port, place / "shop.dump")
        call = calling(postgres_backup, wanted)
        return Cell("PostgreSQL", fault, call, proxy, one, f":{proxy.port}")

    def _disk(self, fault: Fault) -> Cell:
        path = self.scratch / f"disk-{fault.name}.dump"
        wanted = self.backup(self.endpoints["postgres"]["port"], path)
        call = calling(postgres_backup, wanted)
        return Cell("disk", fault, call, None, path.exists, str(Path(fault.params["path"]).parent))

    def _s3(self, fault: Fault, number: int) -> Cell:
        s3 = self.endpoints["s3"]
        url = urlsplit(s3["url"])
        proxy = Proxy(url.hostname or "", url.port or 0)
        backup = self.scratch / f"for-s3-{number}.dump"
        ask(postgres_backup, self.backup(self.endpoints["postgres"]["port"], backup))
        place = {"path": str(backup), "url": f"s3://{s3['bucket']}/chaos-{number}/{time.time()}.dump"}
        keys = {"access_key": s3["access_key"], "secret_key": s3["secret_key"]}
        wanted = {**place, **keys, "endpoint_url": f"http://127.0.0.1:{proxy.port}", "timeout": 20}
        call = calling(postgres_backup_copy, wanted)

        def one() -> object:
            found = call({})
            return found["changed"] is False or found

        return Cell("S3", fault, call, proxy, one, "s3://")
