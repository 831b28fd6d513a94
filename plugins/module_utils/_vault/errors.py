# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what Vault's answers mean, each state in a sentence of its own with the next command."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

SEALED = "Vault is sealed"
LEADERLESS = "local node not active"
UPGRADING = "Upgrading from non-versioned to versioned data"
CAS_MISMATCH = "check-and-set parameter did not match"


class VaultProblem(RollbackError):
    """Vault answered with an error; ``status`` 0 when it did not answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Conflict(VaultProblem):
    """The check-and-set version did not match: somebody else wrote."""


class NoAnswer(VaultProblem):
    """The connection failed or timed out; whether a write arrived is unknown."""


def explain(
    url: str, path: str, status: int, errors: Sequence[str], *, health: int = 0, token_known: bool = True
) -> VaultProblem:
    """What ``status`` and ``errors`` on ``path`` mean.

    ``health``: status of ``sys/health``, 0 if not asked; ``token_known``: whether Vault knows the token at all.
    """
    said = "; ".join(error.strip() for error in errors) or "no text"
    if CAS_MISMATCH in said:
        return Conflict(f"{path} at {url}: {said}", status)
    if status == 403 and not token_known and "missing client token" not in said:
        told = f"Vault at {url} does not accept the token: it is wrong, expired or revoked; see `vault token lookup`"
        return VaultProblem(told, status)
    return VaultProblem(_sentence(url, path, status, said, health), status)


def _sentence(url: str, path: str, status: int, said: str, health: int) -> str:
    if status == 501 or health == 501:
        return f"Vault at {url} is not initialised; initialise it: `vault operator init -address={url}`"
    if status == 503 and SEALED in said:
        return f"Vault at {url} is sealed; unseal it: `vault operator unseal -address={url}`"
    if LEADERLESS in said:
        return (
            f"Vault at {url} is a standby and its cluster has no active node (an election may be under way);"
            f" see `vault operator raft list-peers -address={url}`, then run again"
        )
    if status == 412:
        return (
            f"Vault at {url} is a standby that has not caught up with what was written ({said}); name the active node"
            f" by url, see `vault status -address={url}`"
        )
    if status == 429:
        return (
            f"Vault at {url} still limits the rate of requests to {path} after retries ({said});"
            f" see `vault list sys/quotas/rate-limit`, raise the quota or run again later"
        )
    if "missing client token" in said:
        return f"Vault at {url} got no token; set token, VAULT_TOKEN or run `vault login -address={url}`"
    if status == 403:
        return _refusal(url, path, said)
    if status == 404 and "no handler for route" in said:
        return f"there is no secrets engine for {path} at {url}; see `vault secrets list -address={url}`"
    if status >= 500:
        return f"Vault at {url} failed on {path} with {status} ({said}); see `vault status -address={url}`"
    return f"Vault at {url} refused {path} with {status} ({said})"


def _refusal(url: str, path: str, said: str) -> str:
    if "preflight capability check" in said:
        return (
            f"the token reaches no secrets engine for {path} at {url}, or there is none; see"
            f" `vault secrets list -address={url}` and `vault token lookup`"
        )
    return f"the token has no right to {path} at {url}; see `vault token capabilities {path}`"


def unreachable(url: str, error: Exception, timeout: float) -> NoAnswer:
    """Why nothing came back: refused, too slow, an untrusted certificate, or else."""
    name = type(error).__name__
    text = str(error)
    if "Timeout" in name or "timed out" in text:
        return NoAnswer(f"Vault at {url} did not answer within {timeout:g} s; see `vault status -address={url}`")
    if "CERTIFICATE_VERIFY_FAILED" in text or "SSL" in name:
        return NoAnswer(f"the TLS certificate of Vault at {url} is not trusted; name its authority with ca_cert")
    if "refused" in text:
        return NoAnswer(f"nothing listens at {url} (connection refused); check url, then `vault status -address={url}`")
    return NoAnswer(f"Vault at {url} cannot be reached ({name}); check url, proxies and `vault status -address={url}`")
