# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks and sets maintenance switches: over HTTP, or by programs that are started without a shell."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Protocol

from .._http.client import Http, HttpFault, Request, shown
from .._module import RollbackError
from .model import CommandSwitch, HttpSwitch

WORDS = {True: "on", False: "off"}


class Switch(Protocol):
    """Something that holds requests off."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def known(self) -> bool | None:
        """Whether it is on; None where it cannot be asked."""

    def set(self, *, on: bool) -> None:
        """Turn it; raises :class:`RollbackError` unless it said that it did."""


class OverHttp:
    """A switch behind an address."""

    def __init__(self, switch: HttpSwitch, http: Http) -> None:
        self._switch = switch
        self._http = http
        self.name = shown(switch.on.url)

    def known(self) -> bool | None:
        """Ask it, where it has a way to be asked."""
        ask = self._switch.ask
        if ask is None:
            return None
        text = self._send(ask.request, "tell whether maintenance mode is on")
        try:
            found = ask.path.find(json.loads(text))
        except ValueError:
            raise RollbackError(f"{shown(ask.request.url)} answers no JSON; correct http.ask.url") from None
        if not found:
            raise RollbackError(f"{shown(ask.request.url)} has nothing at {ask.path.text}; correct http.ask.path")
        return any(value == ask.equals or str(value) == str(ask.equals) for value in found)

    def set(self, *, on: bool) -> None:
        """Send the request for on or for off."""
        request = self._switch.on if on else self._switch.off
        self._send(request, f"turn maintenance mode {WORDS[on]}", self._switch.good[on])

    def _send(self, request: Request, what: str, good: Sequence[int] = (200,)) -> str:
        try:
            answer = self._http.send(request)
        except HttpFault as fault:
            raise RollbackError(f"cannot {what}: {fault.message}; then run the same command again") from None
        if answer.status not in good:
            where = f"{request.method} {shown(request.url)}"
            raise RollbackError(f"cannot {what}: {where} answered {answer.status}: {answer.text[:200].strip()}")
        return answer.text


class ByCommand:
    """A switch that programs set."""

    def __init__(self, switch: CommandSwitch, timeout: float) -> None:
        self._switch = switch
        self._timeout = timeout
        self.name = switch.on[0]

    def known(self) -> bool | None:
        """Ask it, where it has a way to be asked."""
        if not self._switch.ask:
            return None
        status, said = self._run(self._switch.ask)
        if status not in (0, 1):
            raise RollbackError(
                f"{self._switch.ask[0]} ended with {status}: {said}; wanted is 0 where maintenance mode is on, and 1 "
                "where it is off"
            )
        return status == 0

    def set(self, *, on: bool) -> None:
        """Run the program for on or for off."""
        argv = self._switch.on if on else self._switch.off
        status, said = self._run(argv)
        if status:
            raise RollbackError(f"cannot turn maintenance mode {WORDS[on]}: {argv[0]} ended with {status}: {said}")

    def _run(self, argv: Sequence[str]) -> tuple[int, str]:
        try:
            done = subprocess.run(
                argv,
                cwd=self._switch.chdir,
                env={**os.environ, **(self._switch.environment or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RollbackError(f"{argv[0]} did not end within {self._timeout:g} s; see why, and run again") from None
        except OSError as error:
            raise RollbackError(f"{argv[0]} could not be started: {error.strerror}; correct the command") from None
        return done.returncode, " ".join((done.stderr or done.stdout).split())[-300:]


def turn(switch: Switch, *, on: bool, dry_run: bool) -> tuple[bool | None, bool]:
    """Turn it where it is not so already: what it was (None: not known), and whether it had to be turned.

    A switch that can be asked is asked again afterwards, so that a success is never one by name alone.
    """
    before = switch.known()
    if before is on:
        return before, False
    if not dry_run:
        switch.set(on=on)
        if switch.known() is (not on):
            raise RollbackError(f"{switch.name} said that it did, and maintenance mode is still {WORDS[not on]}")
    return before, True
