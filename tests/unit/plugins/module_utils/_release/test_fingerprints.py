# SPDX-License-Identifier: GPL-3.0-or-later
"""How the fingerprint of a schema gets from the release that had it into the manifest of the release after it."""

from __future__ import annotations

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._release.model import Database, Manifest
from ansible_collections.octalume.rollback.plugins.module_utils._release.restore_point import (
    Observed,
    compose,
    state_before,
    state_of,
)

HEADER = {"release": "1.4.2", "previous": "1.4.1", "service": "shop", "document": "P7", "author": "A", "summary": ""}


def earlier(**words: str) -> Manifest:
    """The manifest of the release before, whose schema is at 41."""
    return Manifest("1.4.1", "1.4.0", "shop", "P7", "A", databases=(Database("shop", "41", "40", **words),))


@pytest.mark.parametrize(
    ("recorded", "item", "expected"),
    [
        ({"schema_fingerprint": "of 41"}, {"current": "42", "schema_fingerprint": "of 42"}, ("of 42", "of 41")),
        ({}, {"current": "42", "schema_fingerprint": "of 42"}, ("of 42", None)),
        ({"schema_fingerprint": "of 41"}, {"current": "42"}, (None, "of 41")),
        # Somebody says that the release began elsewhere: then nobody knows what the schema was like there.
        ({"schema_fingerprint": "of 41"}, {"current": "42", "previous": "40"}, (None, None)),
    ],
)
def test_a_fingerprint_goes_on_to_the_next_release(
    recorded: dict[str, str], item: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    manifest = compose(HEADER, Observed([], [{"name": "shop", **item}], [], ()), state_of(earlier(**recorded)))
    database = manifest.databases[0]
    assert (database.schema_fingerprint, database.previous_fingerprint) == expected


def test_recording_a_release_again_keeps_what_it_was_before() -> None:
    first = compose(
        HEADER, Observed([], [{"name": "shop", "current": "42"}], [], ()), state_of(earlier(schema_fingerprint="of 41"))
    )
    again = compose(HEADER, Observed([], [{"name": "shop", "current": "42"}], [], ()), state_before(first))
    assert again.databases == first.databases
