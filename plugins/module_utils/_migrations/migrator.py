# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes where a schema is and takes it down to a target: plan first, then step by step, then ask again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from .._module import RollbackError, unfenced
from .._postgres.client import session
from .._postgres.contents import fingerprint, schema_lines
from .._postgres.locks import Holder, holders
from .._postgres.model import Connection
from . import live
from .adapters import ADAPTERS, Adapter, connection_environment
from .client import Here, Place, TimedOut
from .model import Completed, Plan, Preview, Script, Status, Step, Tool
from .plan import plan_down, same, script_problems, told_with_others

APPLICATION = "octalume.rollback migration"  # how the tool's sessions are known to the server


def ignore(_line: str) -> None:
    """Drop a line nobody listens for."""


@dataclass(frozen=True)
class Limits:
    """Seconds; 0 for none where the server knows such a limit."""

    lock: float = 0
    statement: float = 0
    tool: float = 600

    def options(self) -> str:
        """PGOPTIONS for libpq's children, after those that are set already."""
        words = [f"-c lock_timeout={int(self.lock * 1000)}"] if self.lock else []
        words += [f"-c statement_timeout={int(self.statement * 1000)}"] if self.statement else []
        return " ".join(words)


@dataclass(frozen=True)
class Observation:
    """Where the schema is and what the way to the target looks like."""

    status: Status
    plan: Plan
    preview: Preview | None


@dataclass
class Descent:
    """What a run down has done so far."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    output: list[str] = field(default_factory=list)


class Migrator:
    """One database's schema and the tool that moves it."""

    def __init__(
        self,
        name: str,
        tool: Tool,
        connection: Connection | None,
        *,
        limits: Limits | None = None,
        progress: Callable[[str], None] = ignore,
        place: Place | None = None,
        fence: Callable[[], None] = unfenced,
    ) -> None:
        self.connection = connection
        self.limits = limits or Limits()
        place = place or Here()
        environment = connection_environment(name, place.seen(connection)) if connection else {}
        environment = {"PGAPPNAME": APPLICATION, **environment, **tool.environment}
        if options := self.limits.options():
            environment["PGOPTIONS"] = f"{environment.get('PGOPTIONS', '')} {options}".strip()
        self.tool = replace(tool, environment=environment)
        self._run = place.runner(self.tool)
        self._progress = progress
        self._fence = fence
        self.adapter: Adapter = ADAPTERS[name](self.tool, self._run)

    def settle(self, *, take: bool) -> list[str]:
        """Wait for what a run that broke off has left at work; what it said.

        A tool that is a child of ours lives on where only we were ended, and may be about to commit.
        """
        said = [line for done in self._run.settle(self.limits.tool, take=take) for line in done.lines]
        if self.connection:
            live.wait_for_sessions(self.connection, APPLICATION, self.limits.tool, self._progress)
        return said

    def observe(self, target: str | None) -> Observation:
        """Ask the tool, plan the way to ``target`` (to where it is, without one) and preview what it would lose."""
        status = self.adapter.status()
        plan = plan_down(status, target if target is not None else status.current, self.adapter.base)
        scripts: Mapping[str, Script] = self.adapter.scripts(plan.steps) if plan.steps and not plan.problems else {}
        problems = (*plan.problems, *script_problems(plan.steps, scripts))
        preview = None
        if self.connection and plan.steps and not problems:
            preview = live.preview(self.connection, plan.steps, scripts)
        return Observation(
            status, replace(plan, steps=told_with_others(plan.steps, scripts), problems=problems), preview
        )

    def blockers(self) -> list[Holder]:
        """Who holds locks now; nobody is known without a connection."""
        if not self.connection:
            return []
        with session(self.connection, statement_timeout=live.QUERY_TIMEOUT) as database:
            return holders(database)

    def fingerprint(self) -> str | None:
        """Fingerprint of the live schema; unknown without a connection."""
        if not self.connection:
            return None
        with session(self.connection, statement_timeout=live.QUERY_TIMEOUT) as database:
            return fingerprint(schema_lines(database))

    def clear_the_way(self, terminate: bool) -> list[Holder]:
        """Wait for locks to be released, up to the lock limit; the sessions that were ended."""
        if not self.connection:
            return []
        if terminate:
            self._fence()
        return live.wait_for_locks(self.connection, patience=self.limits.lock, terminate=terminate)

    def descend(self, plan: Plan) -> Descent:
        """Run the steps of ``plan``; whatever happens, the error says where the schema is now."""
        descent = Descent()
        deadline = time.monotonic() + self.limits.tool
        for step in plan.steps:
            self._fence()
            try:
                done = self._run(self.adapter.down(step), timeout=max(deadline - time.monotonic(), 0.001), once=True)
            except RollbackError as error:
                raise self._broken_off(step, plan, descent, f"{error.message}{self._left_behind(error)}") from error
            descent.output += done.lines
            for line in done.lines:
                self._progress(line)
            if done.status:
                raise self._broken_off(step, plan, descent, _said(done))
            descent.steps.append({**step.as_dict(), "seconds": done.seconds})
        now = self.adapter.status()
        if not same(now.current, plan.target) or now.dirty:
            raise self._broken_off(plan.steps[-1], plan, descent, "the tool reported success")
        return descent

    def _left_behind(self, error: RollbackError) -> str:
        """End what the tool has left on the server, and say so, or that it may still be at work."""
        ended: list[int] = []
        if self.connection:
            with suppress(RollbackError):  # the server may be what is gone
                ended = live.end_sessions(self.connection, APPLICATION)
        if not isinstance(error, TimedOut):
            return ""
        if ended:
            pids = ", ".join(map(str, ended))
            return f"; its sessions on the server ({pids}) were ended, what was open is rolled back"
        database = f" of {self.connection.database}" if self.connection else ""
        return (
            "; no session of it was seen on the server. Where it really runs elsewhere, as behind ssh or kubectl exec,"
            " it may still be at work: look for it there, and for its sessions in pg_stat_activity (pid,"
            f" application_name, state, query){database}, before it is run again"
        )

    def _broken_off(self, step: Step, plan: Plan, descent: Descent, reason: str) -> RollbackError:
        try:
            now = self.adapter.status()
            at, dirty = now.current, now.dirty
        except RollbackError as error:
            at, dirty = f"unknown ({error.message})", False
        mark = ", marked dirty: repair it by hand first" if dirty else ""
        return RollbackError(
            f"migrating down from {step.version} to {step.to} failed: {reason}. The schema is at {at}{mark};"
            f" the target is {plan.target}. Mend the cause and run it again: it goes on from there",
            at=at,
            dirty=dirty,
            target=plan.target,
            steps=descent.steps,
            output=descent.output[-200:],
            **{"from": plan.current},
        )


def _said(done: Completed) -> str:
    said = (done.errors.strip() or done.output.strip() or "it said nothing")[-1500:]
    return f"{' '.join(done.argv)} (rc {done.status}) said: {said}"
