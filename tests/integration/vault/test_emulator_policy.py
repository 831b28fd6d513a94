# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's policies decide by Vault's documented rules of priority."""

from __future__ import annotations

import pytest

from tests.sandbox.vault.policy import Acl, parse_policy
from tests.sandbox.vault.wire import Fault


def _acl(*policies: str) -> Acl:
    return Acl(tuple(rule for text in policies for rule in parse_policy(text)))


@pytest.mark.parametrize(
    ("policy", "path", "expected"),
    [
        ('path "a/*" { capabilities = ["read"] } path "a/b" { capabilities = ["list"] }', "a/b", {"list"}),
        ('path "a/*" { capabilities = ["read"] } path "a/b*" { capabilities = ["list"] }', "a/bc", {"list"}),
        ('path "a/+/c" { capabilities = ["read"] } path "a/*" { capabilities = ["list"] }', "a/b/c", {"read"}),
        ('path "+/b" { capabilities = ["read"] } path "a/*" { capabilities = ["list"] }', "a/b", {"list"}),
        ('path "a/+" { capabilities = ["read"] }', "a/b/c", set()),
        ('path "a/*" { capabilities = ["deny", "read"] }', "a/b", set()),
        ('path "a" { capabilities = ["read"] }', "a/b", set()),
        ('# text\npath "a/b" { // more\n capabilities = ["read", "update",] /* end */ }', "a/b", {"read", "update"}),
        ('{"path": {"a/b": {"capabilities": ["read"]}}}', "a/b", {"read"}),
    ],
)
def test_the_most_specific_pattern_decides(policy: str, path: str, expected: set[str]) -> None:
    assert _acl(policy).capabilities(path) == expected


def test_policies_add_up_and_deny_wins() -> None:
    read, write, deny = (f'path "a/*" {{ capabilities = ["{name}"] }}' for name in ("read", "update", "deny"))
    assert _acl(read, write).capabilities("a/b") == {"read", "update"}
    assert _acl(read, write, deny).capabilities("a/b") == set()


@pytest.mark.parametrize(
    "policy",
    [
        'path "a" { capabilities = ["fly"] }',
        'path "a" { capabilities = ["read"] allowed_parameters = { "x" = [] } }',
        'path "a" { capabilities = "read" }',
        'name "a" {}',
        'path "a" { capabilities = ["read"]',
    ],
)
def test_what_is_not_understood_is_refused_rather_than_ignored(policy: str) -> None:
    with pytest.raises(Fault):
        parse_policy(policy)
