# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: the template's sections and tables, and a mark for each single thing that is missing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._document import html, markdown
from ansible_collections.octalume.rollback.plugins.module_utils._document.plan_document import plan_document

from tests.unit.plugins.module_utils._document.data import Json, plan_data, run_record

SECTIONS = [
    "1. Rollback Overview",
    "2. Rollback Decision Criteria",
    "3. Pre-Rollback Checklist",
    "4. Rollback Steps",
    "5. Post-Rollback Verification",
    "6. Communication",
    "7. Post-Rollback Actions",
    "8. Emergency Contacts",
    "9. Approval",
]
MARKS = re.compile(r"NOT READY|ATTENTION")


def drawn(data: Json) -> str:
    return markdown.render(plan_document(data)[0])


def test_the_nine_sections_come_in_the_templates_order_with_its_tables(plan: Json) -> None:
    text = drawn(plan)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    for head in (
        "| Component | Current Version | Rollback Version |",
        "| Trigger | Threshold | Action |",
        "| Condition | Decision Maker |",
        "| Test | Command | Expected |",
        "| Metric | Expected After Rollback |",
        "| Role | Name | Phone | Availability |",
        "| Role | Name | Signature | Date |",
    ):
        assert head in text
    for row in (
        "| Database shop | Migration 42 | Migration 41 | Migration 42 |",
        "| Error Rate | > 10 % | Auto-rollback | pass: 0.2 % now. |",
        "| https://shop.example/health | > 3 consecutive | Auto-rollback | pass: status 200 |",
        "| Data corruption | DBA + Dev Lead |",
        "| Version Check | GET /version | 200 + 1.4.1 |",
        "| Login | POST /auth/login | 200 + token |",
        "| Core Function | GET /api/products | 200 + data |",
        "| Error Rate | < 1% for 2m |",
        "| DBA | Ann Lee | +00 2 | 24/7 | available |",
        "| DevOps Lead | dana@example.com | ED25519 SHA256:M/kC8 | 2026-11-20 |",
    ):
        assert row in text


def test_a_plan_with_nothing_missing_has_no_mark(plan: Json) -> None:
    document, ready = plan_document(plan)
    assert (ready.problems(), ready.worries()) == ([], [])
    assert not MARKS.search(markdown.render(document))
    assert "**READY**: Release 1.4.2 can be rolled back." in markdown.render(document)


def without(key: str) -> Callable[[Json], None]:
    return lambda data: data.__setitem__(key, type(data[key])())


def set_to(path: str, value: object) -> Callable[[Json], None]:
    def change(data: Json) -> None:
        *way, last = path.split(".")
        place: object = data
        for word in way:
            place = place[int(word) if word.isdigit() else word]  # type: ignore[index]
        place[last] = value  # type: ignore[index]

    return change


LOST = {"image": "shop/api-server:1.4.1", "verdict": "fail", "message": "registry.example has no shop (any more)"}
AWAY = {**LOST, "verdict": "inconclusive", "message": "registry.example cannot be asked"}
DRIFT = {
    "component": "application",
    "name": "deployment/api-server",
    "what": "replicas",
    "recorded": "3",
    "live": "5",
    "message": "deployment/api-server has 5 replicas",
}
IMAGE_GONE = "deployment/api-server has nothing to come back to: no ReplicaSet has the image"
NO_DOWN = "database shop: there is no way down from 42"
PRUNED = "version 6 of secret/production/app-config is pruned"
BLOCKING = [
    (set_to("problems", [IMAGE_GONE]), IMAGE_GONE, "| Application api-server |"),
    (set_to("problems", [NO_DOWN]), NO_DOWN, "| Database shop |"),
    (set_to("problems", [PRUNED]), PRUNED, "| Configuration production/app-config |"),
    (set_to("problems", ["missing right: patch deployments.apps"]), "missing right: patch deployments.apps", "CANNOT"),
    (
        set_to("backups.0.problem", "/srv/backups is not a folder"),
        "/srv/backups is not a folder",
        "**NOT READY**: Back up",
    ),
    (without("backup_directory"), "set database_backup_directory", "**NOT READY**: Back up shop"),
    (set_to("images", [LOST]), "registry.example has no shop (any more)", "Bring deployment/api-server"),
    (set_to("rehearsals.0.verdict", "fail"), "database shop: the way down failed on a copy", "Migrate down 42"),
    (set_to("rehearsals", [{"name": "shop", "problem": "no space left"}]), "no space left", "Migrate down 42"),
    (
        set_to("approvals", [{"role": "Dev Lead", "verdict": "fail", "message": "not signed", "command": "sign it"}]),
        "approval of Dev Lead: not signed",
        "| Dev Lead |  |",
    ),
]
ATTENTION = [
    (without("triggers"), "no automatic trigger is defined"),
    (set_to("triggers.0.verdict", "inconclusive"), "trigger Error Rate does not tell"),
    (set_to("triggers.0.verdict", "error"), "trigger Error Rate does not tell"),
    (set_to("applications.0.target.source", "manifest"), "no revision of its history has shop/api-server:1.4.1"),
    (set_to("applications.0.target.source", "live"), "and keep whatever else the release has changed"),
    (set_to("images", [AWAY]), "registry.example cannot be asked"),
    (set_to("rehearsals.0.verdict", "inconclusive"), "the way down was not tried on a copy"),
    (without("maintenance"), "no maintenance mode is defined"),
    (without("smoke_tests"), "no smoke test is defined"),
    (without("monitoring"), "no monitoring check is defined"),
    (without("channels"), "no channel is defined"),
    (without("contacts"), "no emergency contact is named"),
    (set_to("contacts.0.on_duty", False), "nobody of the contacts is available now"),
    (set_to("contacts.1.on_duty", None), "availability of Bo Chen (Dev Lead) cannot be read"),
    (set_to("contacts.1.phone", ""), "Dev Lead has no name or no phone"),
    (set_to("databases.0.loss", {"rows": 12, "items": [], "unseen": []}), "loses 12 rows"),
    (set_to("databases.0.loss", {"rows": 0, "items": [], "unseen": ["step 42"]}), "cannot be foreseen: step 42"),
    (set_to("left.drift", [DRIFT]), "has 5 replicas"),
]


@pytest.mark.parametrize(("change", "problem", "where"), BLOCKING, ids=[item[1] for item in BLOCKING])
def test_what_stands_in_the_way_is_marked_and_nothing_else(
    change: Callable[[Json], None], problem: str, where: str
) -> None:
    data = plan_data()
    change(data)
    document, ready = plan_document(data)
    [found] = ready.problems()
    assert problem in found
    assert ready.worries() == []
    text = markdown.render(document)
    assert "**NOT READY**: Release 1.4.2 CANNOT be rolled back now." in text
    [line] = [line for line in text.splitlines() if where in line]
    assert "NOT READY" in line
    assert "ATTENTION" not in text
    artifacts = next(line for line in text.splitlines() if "Verify rollback artifacts exist" in line)
    assert ("NOT READY" in artifacts) == (where != "| Dev Lead |  |")


@pytest.mark.parametrize(("change", "worry"), ATTENTION, ids=[item[1] for item in ATTENTION])
def test_what_is_missing_but_not_in_the_way_is_marked_for_just_that(change: Callable[[Json], None], worry: str) -> None:
    data = plan_data()
    change(data)
    document, ready = plan_document(data)
    assert ready.problems() == []
    [found] = ready.worries()
    assert worry in found
    text = markdown.render(document)
    assert "NOT READY" not in text
    assert "ATTENTION" in text
    assert "can be rolled back." in text


def test_approvals_that_are_not_required_are_shown_and_do_not_stand_in_the_way(plan: Json) -> None:
    plan["approval_required"] = False
    plan["approvals"] = [{"role": "Dev Lead", "verdict": "fail", "message": "not signed", "command": "sign it"}]
    document, ready = plan_document(plan)
    assert ready.problems() == []
    text = markdown.render(document)
    assert "| Dev Lead |  | **TO DO**: not signed |  |" in text
    assert "```bash\nsign it\n```" in text


def test_how_quick_an_answer_was_is_not_part_of_the_document(plan: Json) -> None:
    first = drawn(plan)
    plan["triggers"][1]["message"] = "https://shop.example/health: status 200 in 12 ms at attempt 2"
    assert drawn(plan) == first


def test_the_same_data_give_the_same_document(plan: Json) -> None:
    assert drawn(plan) == drawn(plan_data())
    first, second = (html.render(plan_document(data)[0]) for data in (plan, plan_data()))
    assert first == second


def test_the_duration_is_estimated_from_the_runs_of_the_same_service(plan: Json) -> None:
    unknown = "Expected duration: not known (this service was never rolled back and no drill was held)."
    assert unknown in drawn(plan)
    plan["time_to_restore"] = 95
    assert "Expected duration: 1 min 35 s (as measured and written down, with no run on record)." in drawn(plan)
    slow = {**run_record(), "closed_at": "2026-11-23T19:25:20.925Z"}
    other, failed = {**slow, "service": "billing"}, {**slow, "status": "failed"}
    plan["records"] = [{**run_record(), "facts": {"drill": True}}, slow, other, failed]
    told = "1 min 16 s (median of 2 runs (drills among them: 1), the longest 2 min)"
    assert f"Expected duration: {told}." in drawn(plan)
    assert f"- **Expected duration:** {told}" in drawn(plan)


def test_drift_is_a_table_of_its_own(plan: Json) -> None:
    assert "Changed since" not in drawn(plan)
    plan["left"]["drift"] = [DRIFT]
    assert "| Application deployment/api-server | replicas | 3 | **DRIFTED**: 5 |" in drawn(plan)


def test_configurations_of_the_cluster_have_their_place(plan: Json) -> None:
    item = {"kind": "ConfigMap", "name": "flags", "namespace": "production", "equal": False, "position": "release"}
    keys = {"keys_added": ["a"], "keys_removed": [], "keys_changed": ["b"]}
    plan["cluster_configurations"] = [{**item, **keys}]
    plan["manifest"]["cluster_configurations"] = [item]
    text = drawn(plan)
    assert (
        "| Configuration configmap/flags | as the release has it | as it was before | as the release has it |" in text
    )
    assert "Restore configmap/flags -n production: keys added a; removed none; changed b" in text
    plan["problems"] = ["configmap/flags holds neither the release's content nor the previous one"]
    [row] = [line for line in drawn(plan).splitlines() if line.startswith("| Configuration configmap/flags")]
    assert "NOT READY" in row


def test_a_rehearsal_says_how_long_each_step_takes(plan: Json) -> None:
    assert "Migrate down 42 (loyalty) to 41, which took 0.4 s on a copy" in drawn(plan)
    plan["rehearsals"] = []
    assert "on a copy" not in drawn(plan)


def test_steps_say_what_each_would_do_now(plan: Json) -> None:
    plan["databases"][0]["loss"] = {
        "rows": 12,
        "items": [{"kind": "column", "table": "public.users", "column": "tier", "rows": 12, "exact": False}],
        "unseen": [],
    }
    text = drawn(plan)
    for line in (
        "scale deployment/api-server -n production from 3 to 0 and wait until every pod is gone",
        "Bring deployment/api-server -n production back to revision 6 (shop/api-server:1.4.1) with 3 replicas",
        "Migrate down 42 (loyalty) to 41",
        "Lost for good, but for the backup: column public.users.tier, about 12 rows",
        "keys added none; removed APP_LOYALTY_RATE; changed APP_PAGE_SIZE",
    ):
        assert line in text


def test_a_release_of_one_component_says_so_of_the_others(plan: Json) -> None:
    plan["manifest"].update(databases=[], configurations=[])
    plan.update(databases=[], configurations=[], backups=[], backup_directory="")
    plan["left"].update(strategy="rolling")
    text = drawn(plan)
    assert "No database belongs to this release." in text
    assert "No configuration belongs to this release." in text
    assert "quiesce" not in text
    assert not MARKS.search(text)
