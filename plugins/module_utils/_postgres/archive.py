# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive on disk: written while it is hashed, read in full, checked against its manifest."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .._module import RollbackError
from .model import Manifest
from .programs import Programs, run_pipeline

PROGRESS_EVERY = 5.0  # seconds
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
CUSTOM_MAGIC = b"PGDMP"


def manifest_path(path: Path) -> Path:
    """Where the manifest of the backup at ``path`` lies."""
    return path.with_name(path.name + ".json")


def read_manifest(path: Path) -> Manifest:
    """The manifest of the backup at ``path``; errors tell a missing from a damaged one."""
    where = manifest_path(path)
    try:
        data = json.loads(where.read_text())
    except FileNotFoundError:
        raise RollbackError(
            f"{path} has no manifest {where.name} beside it, so nothing says what it should hold;"
            " only backups taken by octalume.rollback.postgres_backup are accepted",
            path=str(path),
        ) from None
    except (OSError, ValueError) as error:
        raise RollbackError(f"the manifest {where} cannot be read: {error}; take another backup") from error
    return Manifest.from_dict(data, str(where))


def dump_stages(programs: Programs, form: str, compression: str, level: int | None, jobs: int) -> list[list[str]]:
    """The dump's argv without connection, snapshot and destination, and the compressor after it."""
    dump = [programs.pg_dump, f"--format={form}", "--no-password"]
    if form == "directory":
        dump.append(f"--jobs={jobs}")
    if compression == "gzip":
        return [[*dump, f"--compress={level or 1}"]]
    if form == "directory":
        return [[*dump, "--compress=" + (f"zstd:{level or 1}" if compression == "zstd" else "0")]]
    stages = [[*dump, "--compress=0"]]
    if compression == "zstd":
        stages.append([programs.zstd or "zstd", "-q", "-c", f"-{level or 1}", f"-T{jobs}"])
    return stages


def create(path: Path) -> IO[bytes]:
    """A new file for rows of customers: nobody else may read it."""
    return open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600))


class HashedFile:
    """A file that is written front to back and hashed on the way; ``progress`` hears of it every few seconds."""

    def __init__(self, path: Path, progress: Callable[[str], None]) -> None:
        self.path = path
        self.size = 0
        self._hash = hashlib.sha256()
        self._progress = progress
        self._spoke = time.monotonic()
        self._file: IO[bytes] = create(path)

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``; a full disk is a clear error."""
        try:
            self._file.write(chunk)
        except OSError as error:
            raise RollbackError(
                f"cannot write the backup at {self.path} after {self.size} bytes: {error.strerror};"
                " free space there or choose another path"
            ) from error
        self._hash.update(chunk)
        self.size += len(chunk)
        if time.monotonic() - self._spoke > PROGRESS_EVERY:
            self._spoke = time.monotonic()
            self._progress(f"backup: {self.size / 1e6:.0f} MB written")

    def finish(self) -> str:
        """Make it durable; its SHA-256."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise RollbackError(f"cannot make {self.path} durable: {error.strerror}") from error
        # The proof that follows shall read what the disk holds, not what the cache remembers.
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file, whatever state it is in."""
        with suppress(OSError):  # the disk is full, which has been said already
            self._file.close()


@contextmanager
def telling_size(path: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Tell every few seconds how much of a directory is written that somebody else writes."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(PROGRESS_EVERY):
            with suppress(OSError):  # files come and go
                progress(f"backup: {sum(file.stat().st_size for file in path.iterdir()) / 1e6:.0f} MB written")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def sync(path: Path) -> None:
    """Make a file, or a directory and the files in it, durable."""
    if path.is_dir():
        for entry in path.iterdir():
            if entry.is_file():
                sync(entry)
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def directory_digests(path: Path, workers: int) -> tuple[dict[str, str], int, str]:
    """``(name -> SHA-256, total bytes, SHA-256 over the list)`` of a directory's files."""
    files = sorted(entry for entry in path.iterdir() if entry.is_file())
    with ThreadPoolExecutor(max_workers=workers) as pool:
        digests = dict(zip((file.name for file in files), pool.map(file_digest, files), strict=True))
    listing = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    size = sum(file.stat().st_size for file in files)
    return digests, size, hashlib.sha256(listing.encode()).hexdigest()


def verify_bytes(path: Path, manifest: Manifest) -> None:
    """Raise unless the bytes at ``path`` are exactly those that were written; each kind of damage has its words."""
    if not path.exists():
        raise RollbackError(f"the backup {path} is missing, only its manifest is there", path=str(path))
    if path.is_dir() != (manifest.format == "directory"):
        kind = "directory" if path.is_dir() else "file"
        raise RollbackError(f"{path} is a {kind}, its manifest tells of format {manifest.format}", path=str(path))
    if manifest.format == "directory":
        _verify_directory(path, manifest)
    else:
        _verify_file(path, manifest)


def _verify_file(path: Path, manifest: Manifest) -> None:
    size = path.stat().st_size
    if size == 0:
        raise RollbackError(f"the backup {path} is empty (0 bytes instead of {manifest.size})", path=str(path))
    if size < manifest.size:
        raise RollbackError(f"the backup {path} is truncated: {size} of {manifest.size} bytes", path=str(path))
    if size > manifest.size:
        raise RollbackError(
            f"the backup {path} has grown: {size} bytes instead of {manifest.size}; something was appended",
            path=str(path),
        )
    with path.open("rb") as file:
        head = file.read(5)
    magic = ZSTD_MAGIC if manifest.compression == "zstd" else CUSTOM_MAGIC
    if not head.startswith(magic):
        raise RollbackError(f"the backup {path} does not begin like a PostgreSQL archive: overwritten", path=str(path))
    found = file_digest(path)
    if found != manifest.sha256:
        raise RollbackError(
            f"the backup {path} is corrupt: its SHA-256 is {found}, its manifest says {manifest.sha256}",
            path=str(path),
        )


def _verify_directory(path: Path, manifest: Manifest) -> None:
    digests, size, total = directory_digests(path, os.cpu_count() or 1)
    wanted = manifest.files
    for name in sorted({*wanted, *digests}):
        if name not in digests:
            raise RollbackError(f"the backup {path} is incomplete: {name} is missing", path=str(path))
        if name not in wanted:
            raise RollbackError(f"the backup {path} holds a file that is not its own: {name}", path=str(path))
        if digests[name] != wanted[name]:
            raise RollbackError(
                f"the backup {path} is corrupt: the SHA-256 of {name} is not the recorded one", path=str(path)
            )
    if (size, total) != (manifest.size, manifest.sha256):
        raise RollbackError(f"the manifest of {path} contradicts itself; take another backup", path=str(path))


def unpack_stages(programs: Programs, manifest: Manifest, restore: list[str]) -> list[list[str]]:
    """The programs that read an archive of this kind from their input into ``restore``."""
    if manifest.compression == "zstd" and manifest.format == "custom":
        if programs.zstd is None:
            raise RollbackError("this backup is compressed with zstd, which is not installed: apt-get install zstd")
        return [[programs.zstd, "-q", "-d", "-c"], restore]
    return [restore]


def read_through(path: Path, manifest: Manifest, programs: Programs, timeout: float) -> None:
    """Decode the whole archive into nothing, as a restore would; the table of contents alone proves nothing."""
    restore = [programs.pg_restore, "--file=/dev/null"]
    feed(path, manifest, programs, restore, {}, timeout, f"the backup {path} cannot be read back")


def prove_by_reading(path: Path, manifest: Manifest, programs: Programs, timeout: float) -> None:
    """Compare every byte with the manifest and decode every block, both at once: they take a core each."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        decoded = pool.submit(read_through, path, manifest, programs, timeout)
        verify_bytes(path, manifest)
        decoded.result()


def unpack(path: Path, programs: Programs, target: Path, timeout: float) -> Path:
    """Decompress an archive that is compressed as a whole into the file ``target``."""
    stages = [[programs.zstd or "zstd", "-q", "-d", "-o", str(target), str(path)]]
    run_pipeline(stages, what=f"the backup {path} cannot be unpacked", environment={}, timeout=timeout)
    return target


def feed(
    path: Path,
    manifest: Manifest,
    programs: Programs,
    restore: list[str],
    environment: Mapping[str, str],
    timeout: float,
    what: str,
) -> None:
    """Run ``restore`` (a pg_restore argv without input) on the archive at ``path``."""
    if manifest.format == "directory":
        run_pipeline([[*restore, str(path)]], what=what, environment=environment, timeout=timeout)
        return
    with path.open("rb") as source:
        stages = unpack_stages(programs, manifest, restore)
        run_pipeline(stages, what=what, environment=environment, timeout=timeout, source=source)
