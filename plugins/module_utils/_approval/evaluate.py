# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges approvals: for each role the signature that is there, or the reason why it does not count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from .client import Verifier, fingerprint
from .model import NAMESPACE, Approval, Signature, parse, slug


@dataclass(frozen=True)
class Case:
    """What is judged: a manifest, and how strict to be."""

    path: Path
    content: bytes
    signers: Path
    """Folder with one allowed signers file per role, named by its slug."""
    today: date
    valid_days: int = 0
    """Days an approval lasts; 0: for ever."""
    requester: str = ""

    def signature(self, role: str) -> Path:
        """Where the signature of a role is."""
        return self.path.with_name(f"{self.path.name}.{slug(role)}.sig")

    def command(self, role: str) -> str:
        """What a person in that role types to sign."""
        namespace = f"{NAMESPACE}/{slug(role)}/$(date -u +%F)"
        return f"ssh-keygen -Y sign -f ~/.ssh/id_ed25519 -n {namespace} < {self.path} > {self.signature(role)}"


def judge(case: Case, roles: Sequence[str], verifier: Verifier) -> list[Approval]:
    """One approval per role, in order. Nobody approves in two roles."""
    judged: list[Approval] = []
    for role in roles:
        found = _judge_one(case, role, roles, verifier)
        twin = next((other for other in judged if other.verdict == "pass" and _same(other, found)), None)
        if found.verdict == "pass" and twin:
            found = _refused(
                found, "same_person", f"{found.signer} has signed as {twin.role} already; two people are wanted"
            )
        judged.append(found)
    return judged


def _same(one: Approval, other: Approval) -> bool:
    return one.signer.casefold() == other.signer.casefold() or one.fingerprint == other.fingerprint


def _refused(approval: Approval, reason: str, message: str) -> Approval:
    return replace(approval, verdict="fail", reason=reason, message=message)


def _judge_one(case: Case, role: str, roles: Sequence[str], verifier: Verifier) -> Approval:
    file = case.signature(role)
    blank = Approval(role, "fail", "", "", str(file), case.command(role))
    try:
        text = file.read_text(errors="replace")
    except FileNotFoundError:
        return _refused(blank, "unsigned", "not signed")
    except OSError as error:
        return _refused(blank, "unreadable", f"{file} cannot be read: {error.strerror}")
    signature = parse(text)
    if signature is None:
        return _refused(blank, "not_a_signature", f"{file} is not a signature of OpenSSH")
    refused = _as_somebody_else(case, role, signature, blank)
    if refused:
        return refused
    made = verifier.matches(file, signature.namespace, case.content)
    if not made.good:
        return _refused(
            blank,
            "changed",
            f"{case.path.name} was changed since it was signed on {signature.day}; read it and sign again",
        )
    known = replace(blank, fingerprint=fingerprint(made.text), date=str(signature.day))
    return _by_whom(case, role, roles, signature, known, verifier)


def _as_somebody_else(case: Case, role: str, signature: Signature, blank: Approval) -> Approval | None:
    """A refusal by what the signature says of itself, if there is one."""
    if signature.role != slug(role) or signature.day is None:
        told = f"made for {signature.namespace!r}"
        return _refused(blank, "wrong_role", f"the signature is {told}, not as {role}")
    if signature.day > case.today + timedelta(days=1):
        return _refused(blank, "not_yet", f"the signature is dated {signature.day}, which is still to come")
    if case.valid_days and case.today - signature.day > timedelta(days=case.valid_days):
        age = f"signed on {signature.day}, more than {case.valid_days} days ago"
        return _refused(blank, "expired", f"{age}; read the plan and sign again")
    return None


def _by_whom(
    case: Case, role: str, roles: Sequence[str], signature: Signature, known: Approval, verifier: Verifier
) -> Approval:
    """Whether the key belongs to somebody who may sign in this role, now."""
    signers, file = case.signers / slug(role), case.signature(role)
    if not signers.is_file():
        return _refused(known, "no_signers", f"nobody may sign as {role}: there is no file {signers}")
    names = verifier.principals(file, signers)
    if not names.good:
        return _stranger(case, role, roles, known, verifier, names.text)
    told = ""
    for name in names.text.splitlines():
        verified = verifier.verify(file, signers, name, signature.namespace, case.content)
        if verified.good and case.requester and name.casefold() == case.requester.casefold():
            return _refused(
                replace(known, signer=name), "requester", f"{name} asks for the rollback and cannot approve it"
            )
        if verified.good:
            return replace(known, verdict="pass", message=f"signed by {name}", signer=name)
        told = verified.text
    return _refused(known, "wrong_role", f"the key is in {signers}, but not for this: {_first(told)}")


def _stranger(case: Case, role: str, roles: Sequence[str], known: Approval, verifier: Verifier, told: str) -> Approval:
    """Why a key is not one of the role's: ssh-keygen says so where the key is known."""
    file = case.signature(role)
    if "has expired" in told or "not yet valid" in told:
        return _refused(known, "expired", f"the key {known.fingerprint} may no longer sign as {role}: {_first(told)}")
    if "not permitted" in told:
        return _refused(known, "wrong_role", f"the key {known.fingerprint} may not sign as {role}: {_first(told)}")
    for other in roles:
        if other != role and (case.signers / slug(other)).is_file():
            names = verifier.principals(file, case.signers / slug(other))
            if names.good:
                who = names.text.splitlines()[0]
                return _refused(replace(known, signer=who), "wrong_role", f"{who} may sign as {other}, not as {role}")
    return _refused(known, "wrong_key", f"the key {known.fingerprint} is not in {case.signers / slug(role)}")


def _first(text: str) -> str:
    return text.splitlines()[0] if text else "no reason was given"
