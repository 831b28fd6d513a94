# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 3: what shows that an item is so, and who has taken one on."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._document import markdown
from ansible_collections.octalume.rollback.plugins.module_utils._document.plan_document import plan_document
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import rollback_checklist_info

from tests.integration.http.wire import Called, call
from tests.unit.plugins.module_utils._document.data import Json, plan_data

DECIDED = {"issue": "INC-17: 30 % errors", "decided": True}


def ask(data: Json, **options: Any) -> Called:
    return call(rollback_checklist_info, data={**data, **DECIDED}, **options)


def states(found: Called) -> dict[str, str]:
    return {item["name"]: item["state"] for item in found["checklist"]}


def test_everything_is_so(plan: Json) -> None:
    found = ask(plan)
    assert set(states(found).values()) == {"ready"}
    assert found["unmet"] == []
    evidence = {item["name"]: item["evidence"] for item in found["checklist"]}
    assert evidence == {
        "issue": "INC-17: 30 % errors",
        "stakeholders": "sent by the rollback to team",
        "artifacts": (
            "api-server has revision 6 of the previous image; "
            "image shop/api-server:1.4.1 is in registry.example as sha256:11; "
            "shop has the way down from migration 42; version 6 of production/app-config can be read; "
            "a backup can be written to /srv/backups"
        ),
        "team": "available now: Ann Lee (DBA)",
        "maintenance": "switched on and off by the rollback (service)",
    }


MISSING: list[tuple[str, Json, str, str]] = [
    ("issue", {"issue": ""}, "to do", "-e reason=... or -e issue=LINK"),
    ("stakeholders", {"channels": []}, "attention", "nobody would be told"),
    ("artifacts", {"backups": [{"name": "shop", "problem": "disk full"}]}, "not ready", "disk full"),
    ("artifacts", {"backup_directory": ""}, "not ready", "set database_backup_directory"),
    (
        "artifacts",
        {"images": [{"image": "shop:1", "verdict": "fail", "message": "r has no shop 1 (any more)"}]},
        "not ready",
        "image shop:1: r has no shop 1",
    ),
    (
        "artifacts",
        {"images": [{"image": "shop:1", "verdict": "inconclusive", "message": "r cannot be asked"}]},
        "attention",
        "image shop:1: r cannot be asked",
    ),
    ("artifacts", {"problems": ["version 6 of secret/production/app-config is pruned"]}, "not ready", "pruned"),
    ("team", {"contacts": []}, "attention", "no emergency contact is named"),
    ("maintenance", {"maintenance": []}, "attention", "no maintenance mode is defined"),
    ("maintenance", {"maintenance": ["servce"]}, "attention", "and not servce"),
]


@pytest.mark.parametrize(("name", "change", "state", "evidence"), MISSING, ids=[f"{m[0]}: {m[3]}" for m in MISSING])
def test_what_is_not_so_is_marked_at_its_item_alone(name: str, change: Json, state: str, evidence: str) -> None:
    found = call(rollback_checklist_info, data={**plan_data(), **DECIDED, **change})
    items = {item["name"]: item for item in found["checklist"]}
    assert items[name]["state"] == state
    assert evidence in items[name]["evidence"]
    assert {other["state"] for other in items.values() if other["name"] != name} == {"ready"}
    required = name in ("issue", "artifacts") and state != "attention"
    assert [evidence in text for text in found["unmet"]] == ([True] if required else [])


def test_a_database_that_is_down_already_needs_no_backup(plan: Json) -> None:
    plan.update(backup_directory="", backups=[{"name": "shop", "problem": "disk full"}])
    plan["databases"][0].update(current="41", steps=[])
    found = ask(plan)
    assert found["unmet"] == []
    assert "backup" not in str(found["checklist"][2]["evidence"])


def test_an_item_is_taken_on_by_name_and_what_the_check_says_stays(plan: Json) -> None:
    plan["contacts"] = []
    entry = {"who": "Kim Reyes", "note": "I am alone, and can do it"}
    assert len(ask(plan, required=["team"])["unmet"]) == 1
    found = ask(plan, required=["team"], acknowledged={"team": entry})
    [team] = [item for item in found["checklist"] if item["name"] == "team"]
    assert (team["who"], team["note"], found["unmet"]) == (*entry.values(), [])
    plan["acknowledged"] = {"team": entry, "maintenance": "Bo Chen"}
    text = markdown.render(plan_document(plan)[0])
    assert (
        "- [x] Ensure rollback team is available: acknowledged by Kim Reyes: I am alone, and can do it "
        "(the check says: no emergency contact is named)"
    ) in text
    assert "- [x] Enable maintenance mode (if needed): acknowledged by Bo Chen\n" in text


def test_an_image_that_is_gone_blocks_until_somebody_takes_it_on(plan: Json) -> None:
    plan["images"] = [{"image": "shop:1", "verdict": "fail", "message": "gone"}]
    assert plan_document(plan)[1].problems() == ["image shop:1: gone"]
    plan["acknowledged"] = {"artifacts": {"who": "Kim Reyes", "note": "it is on every node"}}
    ready = plan_document(plan)[1]
    assert (ready.problems(), ready.worries()) == ([], ["image shop:1: gone"])


@pytest.mark.parametrize(
    ("acknowledged", "message"),
    [
        ({"crew": {"who": "Kim"}}, "'crew' is no item of the checklist; the items are artifacts, issue, maintenance"),
        ({"team": {"who": ""}}, "team does not say who acknowledges it; write -e"),
        ({"team": {"who": " \n"}}, "team does not say who"),
        ({"team": {"who": "-"}}, "team does not say who"),
        ({"team": {"who": "1"}}, "team does not say who"),
        ({"team": {"note": "fine"}}, "team does not say who"),
        ({"team": None}, "team does not say who"),
        ({"team": {"who": "Kim", "why": "x"}}, "team does not say who"),
    ],
)
def test_an_unknown_item_and_a_name_that_is_none_are_refused(plan: Json, acknowledged: Json, message: str) -> None:
    with pytest.raises(RollbackError, match="acknowledged: ") as caught:
        ask(plan, acknowledged=acknowledged)
    assert message in caught.value.message


def test_a_team_has_items_of_its_own(plan: Json) -> None:
    vendor = [{"name": "vendor", "text": "Tell the payment provider"}]
    found = ask(plan, items=vendor, required=["vendor"])
    assert states(found)["vendor"] == "to do"
    assert found["unmet"] == [
        "Tell the payment provider: nobody has said so (to go on all the same: "
        """-e '{"checklist_acknowledged": {"vendor": {"who": "NAME", "note": "WHY"}}}')"""
    ]
    assert ask(plan, items=vendor, required=["vendor"], acknowledged={"vendor": "Kim"})["unmet"] == []
    with pytest.raises(RollbackError, match="required: crew is no item"):
        ask(plan, required=["crew"])
    with pytest.raises(RollbackError, match="wants a name of its own"):
        ask(plan, items=[{"name": "team", "text": "again"}])
