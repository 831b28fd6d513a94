# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit for what has none of its own: a library's time limit holds for each byte, and a server may drip them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """What ``work()`` gives or raises; TimeoutError after ``seconds``, and its thread is left behind then.

    What was sent may still arrive: a write that ends like this has to be looked for before it is repeated.
    """
    outcome: queue.SimpleQueue[tuple[bool, T | BaseException]] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            outcome.put((True, work()))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            outcome.put((False, error))

    threading.Thread(target=attempt, daemon=True).start()
    try:
        succeeded, result = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"not done within {seconds:g} s") from None
    if not succeeded:
        raise result  # type: ignore[misc]
    return result  # type: ignore[return-value]
