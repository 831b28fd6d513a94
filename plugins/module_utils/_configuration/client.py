# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes ConfigMaps and Secrets: all are judged first, and a failure half-way takes back what was written."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from .._kubernetes.client import ApiError, Cluster, Json, path_of
from .._module import RollbackError
from .._release.model import ClusterConfiguration
from .encryption import Safe
from .plan import Seen, made_again, operations, payload_of, see
from .recording import PATHS, WORKERS

ATTEMPTS = 5


class Configurations:
    """The ConfigMaps and Secrets of one release in one cluster."""

    def __init__(self, cluster: Cluster, safe: Safe | None) -> None:
        self._cluster = cluster
        self._safe = safe

    def observe(self, items: Sequence[ClusterConfiguration]) -> list[Seen]:
        """All of them, at the same time."""
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(self._see, items))

    def rehearse(self, seen: Sequence[Seen]) -> None:
        """Have the server judge every change without making it."""
        for one in seen:
            if one.writes and one.live is not None:
                self._cluster.patch(_path(one), operations(one.live, one.target), dry_run=True)

    def restore(self, seen: Sequence[Seen]) -> None:
        """Write every previous content, or none. Raises :class:`RollbackError` after taking back what was written."""
        written: list[tuple[Seen, Json]] = []
        for one in seen:
            if not one.writes:
                continue
            try:
                written.append((one, self._write(one)))
            except RollbackError as error:
                left = [text for text in map(self._take_back, reversed(written)) if text]
                told = f"; what was written before is taken back{', but for ' + ', '.join(left) if left else ''}"
                raise RollbackError(error.message + (told if written else "; nothing was changed")) from error

    def _see(self, item: ClusterConfiguration) -> Seen:
        return see(item, self._live(item), self._safe)

    def _live(self, item: ClusterConfiguration) -> Json | None:
        try:
            return self._cluster.get(path_of(PATHS[item.kind], item.namespace, item.name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _write(self, seen: Seen) -> Json:
        """Write one. Whoever wrote in between is looked at: only the release's own content is replaced."""
        for _attempt in range(ATTEMPTS):
            try:
                if seen.live is None:
                    return self._cluster.create(path_of(PATHS[seen.item.kind], seen.item.namespace), made_again(seen))
                return self._cluster.patch(_path(seen), operations(seen.live, seen.target))
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
            seen = self._see(seen.item)
            if seen.problems:
                raise RollbackError("; ".join(seen.problems))
            if not seen.writes:
                return seen.live or {}
        raise RollbackError(f"{seen.item}: others changed it {ATTEMPTS} times in a row")

    def _take_back(self, written: tuple[Seen, Json]) -> str:
        """Put back what was there before; what could not be, or an empty text."""
        seen, now = written
        try:
            if seen.live is None:
                self._cluster.delete(_path(seen))
            else:
                self._cluster.patch(_path(seen), operations(now, payload_of(seen.live)))
        except RollbackError:
            return str(seen.item)
        return ""


def _path(seen: Seen) -> str:
    return path_of(PATHS[seen.item.kind], seen.item.namespace, seen.item.name)
