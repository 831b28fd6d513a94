# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows a playbook as the person on call wants to read it: one line for each thing that happened, and when."""

from __future__ import annotations

DOCUMENTATION = r"""
name: timeline
type: stdout
version_added: 0.1.0
short_description: One line for each thing that happened, with its time
description:
  - Shows the clock, the role, the task, what became of it and how long it took.
  - Leaves out what is not news, such as skipped tasks, includes, the validation of arguments and the keeping of the run
    record. With C(-v) they are shown, with results.
  - Says how long each phase of a rollback took, and which phases are left out.
  - Steps that take long say how far they are, on lines of their own, every few seconds.
  - A failure is told in full, and last, followed by the command that goes on from there. A refusal to abort says itself
    what to do instead.
  - In colour on a terminal; plain in a file, in a pipeline's log and in AWX.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as C(stdout_callback) in ansible.cfg
"""

import time
from collections.abc import Mapping
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible.utils.color import stringc
from ansible_collections.octalume.rollback.plugins.plugin_utils.command_line import again
from ansible_collections.octalume.rollback.plugins.plugin_utils.sentences import sentence

WIDTH = 54  # of a task's name; longer ones push the rest of their line
COLOURS = {"changed": C.COLOR_CHANGED, "ok": C.COLOR_OK, "failed": C.COLOR_ERROR, "skipped": C.COLOR_SKIP}
QUIET = ("Validating arguments against arg spec",)
ASSERT = ("ansible.builtin.assert", "assert")
JOURNAL = "octalume.rollback.rollback_record"
REFUSED = "Refuse to abort"  # how the tasks begin that say what to do instead of the same again
TAIL = 5  # lines of a failed program's output


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Prints lines; keeps nothing but when each task began, and what failed last."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "octalume.rollback.timeline"

    def __init__(self) -> None:
        super().__init__()
        self.began = time.monotonic()
        self.task_began: dict[tuple[str, str], float] = {}
        self.phases: dict[str, dict[str, float]] = {}
        self.failed: dict[str, str] = {}
        self.hosts = 1

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Name the play, and say so if nothing is going to be changed."""
        self.hosts = len(play.get_variable_manager()._inventory.list_hosts(play.hosts)) if play.hosts else 1
        note = "  (check mode: nothing is changed)" if play.check_mode else ""
        self._display.display(f"{play.get_name()}{note}")

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Remember when it began there: where hosts do not wait for each other, several are in one task."""
        self.task_began[host.get_name(), task._uuid] = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        """One line, unless it is housekeeping."""
        task, data = result._task, result._result
        self._handle_warnings(data)
        if task.action == JOURNAL:
            self._phase(result._host.get_name(), data.get("record") or {})
        if self._display.verbosity == 0 and self._housekeeping(task):
            return
        if task.action in (*C._ACTION_DEBUG, *ASSERT) and "msg" in data:
            for words in data["msg"] if isinstance(data["msg"], list) else [data["msg"]]:
                self._line(result, "", str(words))
            return
        state = "changed" if data.get("changed") else "ok"
        self._line(result, state, task.get_name(), sentence(task.action, data))
        self._details(data)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """The whole message, on lines of its own."""
        data = result._result
        self._handle_warnings(data)
        self._line(result, "failed", result._task.get_name())
        if not ignore_errors:
            self.failed[result._host.get_name()] = str(result._task.name)
        failed = [item for item in data.get("results") or [] if item.get("failed")]
        for item in failed or [data]:
            self._display.display(stringc(f"          {complaint(item)}", C.COLOR_ERROR))
        if ignore_errors:
            self._display.display("          (ignored)")
        self._details(data)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """As a failure."""
        self.v2_runner_on_failed(result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Only with -v."""
        if self._display.verbosity:
            self._line(result, "skipped", result._task.get_name())

    def v2_runner_retry(self, result: Any) -> None:
        """One short line for each look that was not yet good."""
        data = result._result
        name = f"{result._task.get_name()}: not yet"
        self._line(result, "", f"{name} ({data.get('attempts')} of {data.get('retries', 1) - 1})")

    def v2_on_file_diff(self, result: Any) -> None:
        """What changes."""
        for item in result._result.get("results") or [result._result]:
            diff = self._get_diff(item["diff"]) if item.get("diff") and item.get("changed") else ""
            if diff:
                self._display.display(diff)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Nothing was done."""
        self._display.display("no environment of the inventory matches: nothing was done", color=C.COLOR_ERROR)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """One line for each environment."""
        took = time.monotonic() - self.began
        for host in sorted(stats.processed):
            counts = stats.summarize(host)
            failed = counts["failures"] or counts["unreachable"]
            words = (
                f"{host} : ok={counts['ok']} changed={counts['changed']} unreachable={counts['unreachable']} "
                f"failed={counts['failures']} rescued={counts['rescued']} in {took:.1f} s"
            )
            self._display.display(words, color=C.COLOR_ERROR if failed else C.COLOR_OK)
        lost = [host for counts in (stats.failures, stats.dark) for host, count in counts.items() if count]
        if not all(self.failed.get(host, "").startswith(REFUSED) for host in lost):
            self._display.display(f"once that is mended: {again(context.CLIARGS)}", color=C.COLOR_HIGHLIGHT)

    def _phase(self, host: str, record: Mapping[str, Any]) -> None:
        """A line with what a phase took, once the run record says that it is over."""
        begun = self.phases.setdefault(host, {})
        for step in record.get("steps") or []:
            if step["status"] == "started":
                begun.setdefault(step["name"], time.monotonic())
            elif step["name"] in begun:
                took = time.monotonic() - begun.pop(step["name"])
                self._write(host, "phase", step["name"], f"{step['status']:<8} {took:5.1f} s", C.COLOR_HIGHLIGHT)

    def _housekeeping(self, task: Any) -> bool:
        return task.action in (*C._ACTION_ALL_INCLUDES, JOURNAL) or task.name.startswith(QUIET)

    def _line(self, result: Any, state: str, text: str, found: str = "") -> None:
        """``clock  environment  role  text  state  seconds  found``; the environment only where there are several."""
        task = result._task
        role = task._role.get_name(include_role_fqcn=False) if task._role else ""
        host, now = result._host.get_name(), time.monotonic()
        took = now - self.task_began.get((host, task._uuid), now)
        ending = f"{state:<8} {took:5.1f} s  {found}" if state else ""
        colour = COLOURS[state] if state in COLOURS and state != "ok" else None
        self._write(host, role, text.split(" : ", 1)[-1], ending, colour)

    def _write(self, host: str, role: str, text: str, ending: str, colour: str | None) -> None:
        where = f"{host:<12} " if self.hosts > 1 else ""
        line = f"{time.strftime('%H:%M:%S')}  {where}{role:<14} {text:<{WIDTH}} {ending}".rstrip()
        self._display.display(stringc(line, colour) if colour else line)

    def _details(self, data: Any) -> None:
        """The whole result, where somebody asked for it."""
        if self._display.verbosity:
            self._display.display(self._dump_results(data, indent=2))


def complaint(result: Mapping[str, Any]) -> str:
    """What a failed task says: its message, and the end of what its program said."""
    said = str(result.get("stderr") or result.get("module_stderr") or result.get("stdout") or "").strip()
    lines = [str(result.get("msg") or ("" if said else "no message; run again with -vvv")), *said.splitlines()[-TAIL:]]
    return "\n          ".join(line for line in lines if line)
