# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the node serves: uninitialised, sealed, standby or active, and the endpoints that tell and change it."""

from __future__ import annotations

import base64
import secrets
import time
import uuid
from typing import Any

from tests.sandbox.vault.wire import NO_CONTENT, Fault, Reply, Request, now, stamp

NEVER = "0001-01-01T00:00:00Z"


class Seal:
    """One node's state. A development node is born active; a clustered one has to be initialised and unsealed."""

    def __init__(self, version: str, clustered: bool, election: float) -> None:
        """``election``: seconds a clustered node stays standby before it leads (again)."""
        self.version = version
        self.clustered = clustered
        self.election = election
        self.keys: list[str] = []
        self.threshold = 0
        self.given: list[str] = []
        self.nonce = ""
        self.shares = 0
        self.locked = True
        self.opens_at = 0.0  # monotonic seconds
        self.leads_at = 0.0  # monotonic seconds
        self.led_since = NEVER
        self.leader = ""  # address of the active node, for a node that joined another
        self.cluster_id = str(uuid.uuid4())
        self.address = ""
        if not clustered:
            self.initialise(1, 1)
            self.locked = False

    @property
    def initialised(self) -> bool:
        """Whether there are keys (of its own or of the node it joined)."""
        return bool(self.keys or self.leader)

    @property
    def sealed(self) -> bool:
        """Whether the keys are missing, or were given so recently that the node is still opening."""
        return self.locked or time.monotonic() < self.opens_at

    @property
    def active(self) -> bool:
        """Whether this node answers requests itself."""
        return not self.sealed and not self.leader and time.monotonic() >= self.leads_at

    def initialise(self, shares: int, threshold: int) -> None:
        """Make the unseal keys."""
        self.keys = [secrets.token_hex(33) for _ in range(shares)]
        self.shares, self.threshold = shares, threshold

    def join(self, leader: str, shares: int, threshold: int) -> None:
        """Become a node of the cluster of ``leader`` (an address), to be unsealed by that cluster's keys."""
        self.leader, self.shares, self.threshold = leader, shares, threshold

    def elect(self) -> None:
        """Stand by until the election is over."""
        self.leads_at = time.monotonic() + (self.election if self.clustered else 0)
        self.led_since = stamp(now() + int(self.election * 10**9))

    def collect(self, key: str) -> list[str]:
        """Take an unseal key; all that were given, once they are enough to try."""
        self.given.append(_hexadecimal(key))
        self.nonce = self.nonce or str(uuid.uuid4())
        if len(self.given) < (self.threshold or 1):
            return []
        given, self.given, self.nonce = self.given, [], ""
        return given

    def check(self, given: list[str]) -> None:
        """Raise unless ``given`` are enough of this node's keys."""
        if len(set(given)) < self.threshold or not set(given) <= set(self.keys):
            reason = "failed to encrypt keys for storage: cipher: message authentication failed"
            raise Fault(500, f"unable to retrieve stored keys: {reason}")

    def open(self) -> None:
        """Unseal; a node that joined another takes a moment."""
        self.locked = False
        if self.leader:
            self.opens_at = time.monotonic() + self.election
        else:
            self.elect()

    def health(self, query: dict[str, str]) -> Reply:
        """``sys/health``, with the status a caller may choose for each state."""
        standby = not self.active
        state, usual = "active", 200
        if not self.initialised:
            state, usual = "uninit", 501
        elif self.sealed:
            state, usual = "sealed", 503
        elif standby:
            state, usual = "standby", 200 if query.get("standbyok", "false") == "true" else 429
        view: dict[str, Any] = {
            "initialized": self.initialised,
            "sealed": self.sealed,
            "standby": standby,
            "performance_standby": False,
            "replication_performance_mode": "unknown" if standby else "disabled",
            "replication_dr_mode": "unknown" if standby else "disabled",
            "server_time_utc": int(time.time()),
            "version": self.version,
            **self._cluster(),
        }
        return Reply(int(query.get(f"{state}code", usual)), bare=view)

    def status(self) -> Reply:
        """``sys/seal-status``."""
        view: dict[str, Any] = {
            "type": "shamir",
            "initialized": self.initialised,
            "sealed": self.sealed,
            "t": self.threshold,
            "n": self.shares,
            "progress": len(self.given),
            "nonce": self.nonce,
            "version": self.version,
            "migration": False,
            **self._cluster(),
            "recovery_seal": False,
            "storage_type": "raft" if self.clustered else "inmem",
        }
        return Reply(bare=view)

    def leadership(self) -> Reply:
        """``sys/leader``."""
        if self.sealed:
            raise Fault(503, "Vault is sealed")
        leads = self.clustered and self.active
        leader = self.address if leads else self.leader
        view: dict[str, Any] = {
            "ha_enabled": self.clustered,
            "is_self": leads,
            "active_time": self.led_since if leads else NEVER,
            "leader_address": leader,
            "leader_cluster_address": _cluster_address(leader),
            "performance_standby": False,
            "performance_standby_last_remote_wal": 0,
        }
        if self.clustered:
            view |= {"raft_committed_index": 1, "raft_applied_index": 1}
        return Reply(bare=view)

    def init(self, request: Request) -> Reply:
        """``sys/init``: tell, or make the keys; the root token is the caller's to add."""
        if request.operation == "read":
            return Reply(bare={"initialized": self.initialised})
        if self.initialised:
            raise Fault(400, "Vault is already initialized")
        self.initialise(int(request.body["secret_shares"]), int(request.body["secret_threshold"]))
        return Reply(bare={"keys": self.keys, "keys_base64": [_base64(key) for key in self.keys]})

    def close(self) -> Reply:
        """``sys/seal``."""
        self.locked = True
        return NO_CONTENT

    def _cluster(self) -> dict[str, str]:
        if self.sealed:
            return {}
        return {"cluster_name": f"vault-cluster-{self.cluster_id[:8]}", "cluster_id": self.cluster_id}


def _cluster_address(address: str) -> str:
    """Where nodes talk to each other: TLS on the port after the API's."""
    host, _, port = address.rpartition(":")
    return f"https:{host.partition(':')[2]}:{int(port) + 1}" if address else ""


def _hexadecimal(key: str) -> str:
    try:
        return bytes.fromhex(key).hex()
    except ValueError:
        pass
    try:
        return base64.b64decode(key, validate=True).hex()
    except ValueError:
        raise Fault(400, "'key' must be a valid hex or base64 string") from None


def _base64(key: str) -> str:
    return base64.b64encode(bytes.fromhex(key)).decode()
