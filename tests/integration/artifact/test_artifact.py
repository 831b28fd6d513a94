# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as people install it: what is in the tarball, what it needs, and that it works from anywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.rollback.conftest import clean
from tests.sandbox.fixtures import Sandbox
from tests.sandbox.process import wait_until

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
# Everything at the top of the tarball; whatever else appears in the checkout stays out of it.
TOPS = {
    *("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "COPYING", "FILES.json", "MANIFEST.json", "README.md"),
    *("SECURITY.md", "changelogs", "docs", "execution-environment.yml", "extensions", "inventories", "meta"),
    *("playbooks", "plugins", "roles"),
}
__all__ = ["clean"]
TEXT = {".md", ".py", ".yml", ".yaml", ".json", ".j2", ".hcl", ".txt", ".svg", ""}
DECIDED = ("-e", "condition=critical_bug", "-e", 'decided_by="Deployment Lead: Ann Lee"', "-e", "reason=installed")


@pytest.fixture(scope="module", autouse=True)
def nothing_of_the_checkout() -> Iterator[None]:
    """As in a shell of somebody who has only the tarball: with the checkout's settings all of it is found there."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ANSIBLE_CONFIG", "PYTHONPATH"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection, built from the checkout as it stands."""
    target = tmp_path_factory.mktemp("artifact")
    command = [BIN / "ansible-galaxy", "collection", "build", "--output-path", target, ROOT]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    [built] = target.glob("*.tar.gz")
    return built


@pytest.fixture(scope="module")
def installed(tarball: Path) -> Path:
    """A collections path that holds this collection and nothing else."""
    path = tarball.parent / "collections"
    command = [BIN / "ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", path, tarball]
    subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=tarball.parent)
    return path


def test_the_tarball_holds_what_it_should_and_nothing_else(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = [member.name for member in archive]
    assert {name.split("/")[0] for name in names} == TOPS
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".orig", ".rej", ".log"))]
    assert not [name for name in names if "/." in name or name.startswith(".")]
    assert {Path(name).suffix for name in names if not name.endswith("/")} <= TEXT
    assert not [name for name in names if re.match(r"inventories/(?!example)\w", name)]
    assert not [name for name in names if name.startswith("extensions/molecule")], "drills need the checkout"
    assert f"playbooks/{'rollback'}.yml" in names
    assert sum(1 for name in names if name.startswith("plugins/modules/")) > 20


def test_the_tarball_is_what_git_knows(tarball: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    with tarfile.open(tarball) as archive:
        files = {member.name for member in archive if member.isfile()}
    assert files - {"MANIFEST.json", "FILES.json"} <= set(listed)


def test_it_says_what_it_needs(tarball: Path, installed: Path) -> None:
    with tarfile.open(tarball) as archive:
        manifest = json.load(archive.extractfile("MANIFEST.json") or pytest.fail("no manifest"))["collection_info"]
    packages = Path(sysconfig.get_path("purelib")) / "ansible_collections"
    for name, wanted in manifest["dependencies"].items():
        floor, ceiling = re.fullmatch(r">=([\d.]+),<([\d.]+)", wanted).groups()  # type: ignore[union-attr]
        found = json.loads((packages / name.replace(".", "/") / "MANIFEST.json").read_text())["collection_info"]
        assert numbers(floor) <= numbers(found["version"]) < numbers(ceiling), name
    here = installed / "ansible_collections/octalume/rollback"
    runtime = yaml.safe_load((here / "meta/runtime.yml").read_text())
    assert runtime["requires_ansible"] == ">=2.18.0"
    assert manifest["license"] == ["GPL-3.0-or-later"]
    environment = yaml.safe_load((here / "meta/execution-environment.yml").read_text())["dependencies"]
    for kind in ("python", "system"):
        assert (here / environment[kind]).is_file()


def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers to compare."""
    return tuple(int(part) for part in version.split("."))


def play(installed: Path, directory: Path, sandbox: Sandbox, *options: str) -> subprocess.CompletedProcess[str]:
    """``ansible-playbook octalume.rollback.rollback`` in an empty directory, with no setting of the checkout."""
    directory.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_COLLECTIONS_PATH": str(installed),
        "ANSIBLE_HOME": str(directory.parent / "ansible-home"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "SANDBOX_DIR": str(sandbox.directory),
    }
    environment.pop("PYTHONPATH", None)
    inventory = ROOT / "inventories/sandbox/hosts.yml"
    return subprocess.run(
        [BIN / "ansible-playbook", "octalume.rollback.rollback", "-i", inventory, "-e", "version=1.4.2", *options],
        cwd=directory, env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


@pytest.mark.sandbox
def test_installed_it_rolls_back_by_its_name_from_an_empty_directory(
    installed: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.ship("1.4.1")
    sandbox.ship("1.4.2")
    with sandbox.load(20) as customers:
        wait_until(lambda: customers.process is not None and customers.process.running(), 10, "customers")
        done = play(installed, tmp_path / "empty", sandbox, *DECIDED)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Release 1.4.2 is rolled back to 1.4.1 in sandbox" in done.stdout
        again = play(installed, tmp_path / "empty", sandbox)
        assert re.search(r"sandbox +: ok=\d+ +changed=0 +unreachable=0 +failed=0", again.stdout), again.stdout
    assert not list((tmp_path / "empty").iterdir()), "it left something behind"
    deployment = sandbox.cluster.get("Deployment", "api-server") or {}
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith("api-server:1.4.1")


def test_an_execution_environment_can_be_generated(tarball: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "execution-environment.yml", tmp_path)
    shutil.copy(tarball, tmp_path / "octalume-rollback.tar.gz")
    context = tmp_path / "context"
    command = [BIN / "ansible-builder", "create", "--context", context, "--output-filename", "Containerfile"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    recipe = (context / "Containerfile").read_text()
    assert "ansible-core>=2.18" in recipe
    assert "ENV ANSIBLE_STDOUT_CALLBACK=octalume.rollback.timeline" in recipe
    wanted = yaml.safe_load((context / "_build/requirements.yml").read_text())["collections"]
    here = {"name": "files/octalume-rollback.tar.gz", "type": "file"}
    assert here in wanted, "the collection of this checkout, and not what a server has"
    assert (context / "_build" / here["name"]).read_bytes() == tarball.read_bytes()
    assert {entry["name"] for entry in wanted} >= {"kubernetes.core", "community.hashi_vault", "community.postgresql"}


@pytest.mark.parametrize(
    "name",
    [
        "rollback",
        "plan",
        "record",
        "watch",
        "restore",
        "report",
        "approve",
        "verify",
        "drill",
        "awx",
        "abort",
        "on_alert",
    ],
)
def test_every_verb_is_found_by_its_name(installed: Path, tmp_path: Path, name: str) -> None:
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(installed)}
    environment.pop("ANSIBLE_CONFIG", None)
    done = subprocess.run(
        [BIN / "ansible-playbook", "--syntax-check", f"octalume.rollback.{name}", "-i", "localhost,"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
