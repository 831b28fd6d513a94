# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command in a container over the channels of the remotecommand protocol (v4 and v5) and reads how it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from .adapter import open_channel

LIMIT = 1_000_000
"""Bytes of output after which a command in a pod is given up."""
STDOUT, ERROR = 1, 3


def command_output(client: Any, url: str, headers: Mapping[str, str], timeout: float) -> bytes:
    """What a command wrote to standard output; OSError if it failed, TimeoutError if it took or wrote too much."""
    channel = open_channel(client, url, headers)
    output, deadline = bytearray(), time.monotonic() + timeout
    try:
        while channel.is_open():
            left = deadline - time.monotonic()
            if left <= 0 or len(output) > LIMIT:
                raise TimeoutError
            channel.update(timeout=min(left, 1.0))
            output += channel.read_channel(STDOUT)
        output += channel.read_channel(STDOUT)
        end = how_it_ended(channel.read_channel(ERROR))
    finally:
        channel.close(timeout=1)
    if end:
        raise OSError(end)
    return bytes(output)


def how_it_ended(told: bytes | str) -> str:
    """Why a command failed, from the Status on the error channel; an empty text if it succeeded.

    A command that ran has the reason NonZeroExitCode and its exit code as a cause. One that could not be started has
    InternalError and, as its cause, a sentence of the container runtime: no number is in it. Without a Status the
    connection broke, and nobody knows whether the output is all of it. The sentences themselves are not repeated: the
    runtime may quote the command's surroundings in them.
    """
    try:
        status = json.loads(told)
        if status["status"] == "Success":
            return ""
        if status.get("reason") != "NonZeroExitCode":
            return "the command could not be started"
        causes = (status.get("details") or {}).get("causes") or []
        codes = [int(cause["message"]) for cause in causes if cause.get("reason") == "ExitCode"]
        return f"exit code {codes[0]}" if codes else "it failed"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "the connection ended before the command did"
