# SPDX-License-Identifier: GPL-3.0-or-later
"""ACL policies: the HCL subset Vault's policies use, and which rule decides for a path."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tests.sandbox.vault.wire import Fault

CAPABILITIES = {"create", "read", "update", "delete", "list", "patch", "sudo", "deny"}
TOKENS = re.compile(r'\s+|#[^\n]*|//[^\n]*|/\*.*?\*/|("(?:[^"\\]|\\.)*")|([A-Za-z_][\w-]*)|([{}\[\]=,])', re.S)

DEFAULT = """
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
path "sys/wrapping/wrap" { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }
"""


@dataclass(frozen=True)
class Rule:
    """Capabilities on one path pattern: exact, ending in ``*``, or with ``+`` for one segment."""

    path: str
    capabilities: frozenset[str]

    def matches(self, path: str) -> bool:
        """Whether the pattern covers ``path``."""
        pattern = "/".join("[^/]+" if part == "+" else re.escape(part) for part in self.path.rstrip("*").split("/"))
        return re.fullmatch(pattern + (".*" if self.path.endswith("*") else ""), path) is not None

    def priority(self) -> tuple[bool, int, bool, int, int, str]:
        """Sorts patterns from least to most specific, by the rules of Vault's policy documentation."""
        wildcards = [place for place in (self.path.find("+"), self.path.find("*")) if place >= 0]
        return (
            not wildcards,
            min(wildcards, default=0),
            not self.path.endswith("*"),
            -self.path.count("+"),
            len(self.path),
            self.path,
        )


def parse_policy(text: str) -> list[Rule]:
    """The rules of an HCL or JSON policy; a key this emulator does not honour is refused rather than ignored."""
    if text.lstrip().startswith("{"):
        paths = json.loads(text).get("path", {})
        return [_rule(path, body.get("capabilities", [])) for path, body in paths.items()]
    words = _words(text)
    rules = []
    while words:
        if words.pop(0) != "path":
            raise Fault(400, "failed to parse policy: only path blocks are supported")
        path = json.loads(words.pop(0))
        _expect(words, "{")
        capabilities: list[str] = []
        while words and words[0] != "}":
            if words.pop(0) != "capabilities":
                raise Fault(400, f"failed to parse policy: a key under path {path!r} is not supported")
            _expect(words, "=")
            capabilities = _list(words)
        _expect(words, "}")
        rules.append(_rule(path, capabilities))
    return rules


def _words(text: str) -> list[str]:
    words, place = [], 0
    while place < len(text):
        match = TOKENS.match(text, place)
        if not match:
            raise Fault(400, f"failed to parse policy: at character {place}")
        words += [word for word in match.groups() if word]
        place = match.end()
    return words


def _expect(words: list[str], wanted: str) -> None:
    if not words or words.pop(0) != wanted:
        raise Fault(400, f"failed to parse policy: expected {wanted}")


def _list(words: list[str]) -> list[str]:
    _expect(words, "[")
    found: list[str] = []
    while words and words[0] != "]":
        word = words.pop(0)
        if word != ",":
            found.append(json.loads(word))
    _expect(words, "]")
    return found


def _rule(path: str, capabilities: list[str]) -> Rule:
    unknown = set(capabilities) - CAPABILITIES
    if unknown:
        raise Fault(400, f'failed to parse policy: path "{path}": invalid capability "{min(unknown)}"')
    return Rule(path.removeprefix("/"), frozenset(capabilities))


@dataclass(frozen=True)
class Acl:
    """What a token may do: the union of its policies."""

    rules: tuple[Rule, ...]
    root: bool = False

    def capabilities(self, path: str) -> frozenset[str]:
        """Capabilities on ``path``: those of the most specific pattern, deny above all; empty when nothing matches."""
        if self.root:
            return frozenset({"root"})
        matching = [rule for rule in self.rules if rule.matches(path)]
        if not matching:
            return frozenset()
        best = max(matching, key=Rule.priority).path
        merged = frozenset().union(*(rule.capabilities for rule in matching if rule.path == best))
        return frozenset() if "deny" in merged else merged

    def allows(self, path: str, operation: str) -> bool:
        """Whether ``operation`` on ``path`` is permitted."""
        if operation == "list" and not path.endswith("/"):
            return self._allows(path, operation) or self._allows(path + "/", operation)
        return self._allows(path, operation)

    def _allows(self, path: str, operation: str) -> bool:
        granted = self.capabilities(path)
        return "root" in granted or operation in granted

    def reaches(self, mount: str) -> bool:
        """Whether anything at or under the mount path ``mount`` (with its slash) is granted."""
        return self.root or any(
            rule.capabilities - {"deny"} and (rule.path.startswith(mount) or rule.matches(mount)) for rule in self.rules
        )
