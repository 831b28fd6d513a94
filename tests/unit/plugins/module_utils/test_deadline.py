# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit for what has none."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._deadline import within


def test_what_is_done_in_time_is_handed_on() -> None:
    assert within(5, lambda: "done") == "done"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_what_it_raises_is_raised_here(error: BaseException) -> None:
    def work() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        within(5, work)
    assert raised.value is error


def test_what_does_not_end_is_left_behind() -> None:
    never = threading.Event()
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"not done within 0\.1 s"):
        within(0.1, lambda: never.wait(30))
    assert time.monotonic() - began < 5
    never.set()
