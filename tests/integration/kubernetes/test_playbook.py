# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as Ansible runs them: in the control process and as processes of their own, killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.integration.kubernetes.conftest import Json, Namespace

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")


def play(namespace: Namespace, tasks: list[Json], directory: Path, *, forks: bool = False) -> list[str]:
    """The command line that runs ``tasks``; with ``forks`` each module in a process of its own."""
    interpreter = {"ansible_python_interpreter": sys.executable}
    # Any environment for a task sends it to a module process.
    defaults = {"group/octalume.rollback.rollback": {"kubeconfig": str(namespace.server.kubeconfig)}}
    playbook: Json = {"hosts": "localhost", "gather_facts": False, "vars": interpreter, "tasks": tasks}
    playbook |= {"module_defaults": defaults} | ({"environment": {"OWN_PROCESS": "1"}} if forks else {})
    path = directory / "play.yml"
    path.write_text(yaml.safe_dump([playbook], sort_keys=False))
    return [PLAYBOOK, "-i", "localhost,", "-c", "local", str(path)]


def run(command: list[str], *options: str) -> Json:
    """Results of all tasks by name; AssertionError with the output if the playbook failed."""
    environment = {**ENVIRONMENT, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    done = subprocess.run(
        [*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    plays = json.loads(done.stdout[done.stdout.index("{") :])["plays"]
    return {task["task"]["name"]: task["hosts"]["localhost"] for task in plays[0]["tasks"]}


def tasks(namespace: Namespace) -> list[Json]:
    workloads = {"workloads": [namespace.workload()]}
    module = "octalume.rollback.k8s_rollout"
    return [
        {"name": "look", "octalume.rollback.k8s_rollout_info": workloads},
        {"name": "down", module: {**workloads, "state": "quiesced", "timeout": 30}},
        {"name": "back", module: {**workloads, "state": "rolled_back", "timeout": 30, "soak": 1}},
    ]


def test_a_playbook_rolls_back_and_its_second_run_changes_nothing(namespace: Namespace, tmp_path: Path) -> None:
    namespace.history(["shop:1.4.1", "shop:1.4.2"], replicas=1)
    command = play(namespace, tasks(namespace), tmp_path)
    check = run(command, "--check", "--diff")
    assert [check[name]["changed"] for name in ("look", "down", "back")] == [False, True, True]
    assert namespace.images() == ["shop:1.4.2"]
    first = run(command, "--diff")
    assert [first[name]["changed"] for name in ("look", "down", "back")] == [False, True, True]
    assert first["look"]["workloads"][0]["position"] == "release"
    assert first["back"]["workloads"][0]["after"] == {"images": {"main": "shop:1.4.1"}, "replicas": 1, "revision": 3}
    assert (namespace.images(), namespace.replicas()) == (["shop:1.4.1"], 1)
    second = run(command)
    assert [second[name]["changed"] for name in ("look", "down", "back")] == [False, False, False]


def test_the_modules_run_in_processes_of_their_own_too(namespace: Namespace, tmp_path: Path) -> None:
    namespace.history(["shop:1.4.1", "shop:1.4.2"], replicas=1)
    done = run(play(namespace, tasks(namespace), tmp_path, forks=True), "--diff")
    assert [done[name]["changed"] for name in ("look", "down", "back")] == [False, True, True]
    assert done["back"]["diff"][0]["after"]["images"] == {"main": "shop:1.4.1"}
    assert (namespace.images(), namespace.replicas()) == (["shop:1.4.1"], 1)


@pytest.mark.parametrize("moment", ["recorded", "written"])
def test_killed_at_any_moment_and_run_again_it_ends_right(namespace: Namespace, tmp_path: Path, moment: str) -> None:
    namespace.history(["shop:slow", "shop:1.4.2"], replicas=2)
    wanted = [namespace.workload(previous="shop:slow")]
    steps = [{**task} for task in tasks(namespace)]
    for task in steps:
        next(value for name, value in task.items() if name != "name")["workloads"] = wanted
    command = play(namespace, steps, tmp_path)
    reached = {
        "recorded": lambda: namespace.replicas() == 0,
        "written": lambda: namespace.images() == ["shop:slow"],
    }
    victim = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        namespace.until(reached[moment], 60)
    finally:
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
    started = time.monotonic()
    run(command)
    assert (namespace.images(), namespace.replicas()) == (["shop:slow"], 2)
    assert len(namespace.addresses()) == 2
    assert time.monotonic() - started < 60
