# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules tell: hashes in place of values."""

from __future__ import annotations

import hashlib
import hmac

from ansible_collections.octalume.rollback.plugins.module_utils._digest import digest
from ansible_collections.octalume.rollback.plugins.module_utils._vault.model import Observation, Reading, Step, Target
from ansible_collections.octalume.rollback.plugins.module_utils._vault.report import diff, outcome

STEP = Step(
    Observation(
        Target("secret", "app", 1), Reading("exists", 2, {"a": "hush2"}), Reading("exists", 1, {"a": "hush1", "b": 1})
    ),
    undelete=False,
    writes=True,
)


def test_the_digest_is_hmac_sha256() -> None:
    assert digest("key", "vålue") == hmac.new(b"key", "vålue".encode(), hashlib.sha256).hexdigest()


def test_a_diff_without_a_key_cannot_be_guessed_or_compared_between_runs() -> None:
    first, second = diff([STEP], None)[0], diff([STEP], None)[0]
    assert first["before"] != second["before"]
    assert first["before"]["a"] != first["after"]["a"]


def test_a_diff_with_a_key_shows_the_start_of_the_digests() -> None:
    assert diff([STEP], "k")[0]["after"]["a"] == f"hmac:{digest('k', 'hush1')[:12]}"


def test_nothing_that_is_told_holds_a_value() -> None:
    assert "hush" not in str(outcome(STEP, 3, "k")) + str(diff([STEP], "k")) + repr(STEP)


def test_digests_are_told_only_with_a_key() -> None:
    assert "digests" not in outcome(STEP, 3, None)
    assert outcome(STEP, 3, "k")["digests"]["b"] == digest("k", "1")
