# SPDX-License-Identifier: GPL-3.0-or-later
"""vault_kv2_rollback on a server: what it writes, what it refuses, and that it is all or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._digest import digest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.integration.vault.helpers import Engine, Meddler

OLD = {"APP_THEME": "light", "APP_TAX": "19", "APP_NOTE": "old"}
NEW = {"APP_THEME": "dark", "APP_TAX": "19", "APP_FLAG": "on"}


def test_the_earlier_data_is_written_as_a_new_version(engine: Engine) -> None:
    engine.put("app", OLD, NEW)
    outcome = engine.rollback(engine.secret("app", 1))
    assert outcome["changed"]
    assert outcome["secrets"] == [
        {
            "path": "app",
            "mount": engine.mount,
            "from_version": 2,
            "to_version": 3,
            "restored_version": 1,
            "changed": True,
            "undeleted": False,
            "keys_added": ["APP_NOTE"],
            "keys_removed": ["APP_FLAG"],
            "keys_changed": ["APP_THEME"],
        }
    ]
    assert engine.get("app") == OLD
    assert engine.metadata("app")["current_version"] == 3


def test_the_calls_are_those_of_vault_kv_rollback_and_a_question_for_rights(engine: Engine) -> None:
    engine.put("app", OLD, NEW)
    with Meddler(engine.address, engine.ca_cert) as meddler:
        engine.rollback(engine.secret("app", 1), url=meddler.address)
    assert meddler.seen == [
        f"GET sys/internal/ui/mounts/{engine.mount}/app",
        f"GET {engine.mount}/data/app",
        f"GET {engine.mount}/data/app?version=1",
        "POST sys/capabilities-self",
        f"POST {engine.mount}/data/app",
    ]


def test_a_second_run_writes_nothing(engine: Engine) -> None:
    engine.put("app", OLD, NEW)
    engine.rollback(engine.secret("app", 1, current=2))
    again = engine.rollback(engine.secret("app", 1, current=2))
    assert not again["changed"]
    assert again["secrets"][0]["to_version"] == 3
    assert engine.metadata("app")["current_version"] == 3


def test_check_mode_predicts_exactly_and_writes_nothing(engine: Engine) -> None:
    engine.put("app", OLD, NEW)
    engine.put("same", OLD, OLD)
    secrets = engine.secret("app", 1), engine.secret("same", 1)
    predicted = engine.rollback(*secrets, check=True, diff=True, digest_key="k")
    assert engine.metadata("app")["current_version"] == 2
    assert engine.rollback(*secrets, diff=True, digest_key="k").result == predicted.result


def test_custom_metadata_and_settings_of_the_secret_are_kept(own_vault_modern: Engine) -> None:
    engine = own_vault_modern
    engine.put("app", OLD, NEW)
    engine.client.secrets.kv.v2.update_metadata(
        "app", max_versions=7, custom_metadata={"owner": "dana"}, mount_point=engine.mount
    )
    engine.rollback(engine.secret("app", 1))
    assert engine.metadata("app")["custom_metadata"] == {"owner": "dana"}
    assert engine.metadata("app")["max_versions"] == 7


@pytest.mark.parametrize("change", ["delete", "destroy"])
def test_a_live_version_that_is_gone_is_rolled_back_all_the_same(engine: Engine, change: str) -> None:
    engine.put("app", OLD, NEW)
    kv = engine.client.secrets.kv.v2
    if change == "delete":
        kv.delete_latest_version_of_secret("app", mount_point=engine.mount)
    else:
        kv.destroy_secret_versions("app", [2], mount_point=engine.mount)
    assert engine.rollback(engine.secret("app", 1))["secrets"][0]["to_version"] == 3
    assert engine.get("app") == OLD


def test_the_oldest_survivor_can_be_restored_although_that_prunes_it(engine: Engine) -> None:
    engine.client.secrets.kv.v2.update_metadata("app", max_versions=2, mount_point=engine.mount)
    engine.put("app", {"n": "0"}, OLD, NEW)
    engine.rollback(engine.secret("app", 2))
    assert engine.get("app") == OLD
    assert engine.get("app", 2) is None
    assert engine.info(engine.secret("app", 2))[0]["target_state"] == "pruned"


def test_a_mount_that_requires_check_and_set_is_served(engine: Engine) -> None:
    engine.put("app", OLD, NEW)
    engine.client.secrets.kv.v2.configure(cas_required=True, mount_point=engine.mount)
    engine.rollback(engine.secret("app", 1))
    assert engine.get("app") == OLD


def _hide(engine: Engine, how: str) -> None:
    kv = engine.client.secrets.kv.v2
    if how == "deleted":
        kv.delete_secret_versions("bad", [1], mount_point=engine.mount)
    if how == "destroyed":
        kv.destroy_secret_versions("bad", [1], mount_point=engine.mount)
    if how == "pruned":
        kv.update_metadata("bad", max_versions=1, mount_point=engine.mount)
        engine.put("bad", NEW)


@pytest.mark.parametrize(
    ("how", "version", "said"),
    [
        ("deleted", 1, "version 1 of {mount}/bad is deleted; set undelete: true, or run `vault kv undelete"),
        ("destroyed", 1, "version 1 of {mount}/bad is destroyed for ever"),
        ("pruned", 1, "version 1 of {mount}/bad is pruned"),
        ("missing", 9, "version 9 of {mount}/bad was never written: version 2 is the newest"),
    ],
)
def test_a_target_that_cannot_be_read_is_refused_before_anything_is_written(
    engine: Engine, how: str, version: int, said: str
) -> None:
    engine.put("good", OLD, NEW)
    engine.put("bad", OLD, NEW)
    _hide(engine, how)
    with pytest.raises(RollbackError) as caught:
        engine.rollback(engine.secret("good", 1), engine.secret("bad", version))
    assert said.format(mount=engine.mount) in caught.value.message
    assert engine.metadata("good")["current_version"] == 2
    assert engine.info(engine.secret("bad", version))[0]["target_state"] == how


@pytest.mark.parametrize("version", [0, -1])
def test_versions_that_vault_takes_for_the_latest_are_refused(engine: Engine, version: int) -> None:
    engine.put("app", OLD, NEW)
    with pytest.raises(RollbackError, match="not an absolute version"):
        engine.rollback(engine.secret("app", version))


def test_a_missing_secret_is_named(engine: Engine) -> None:
    with pytest.raises(RollbackError, match=r"/nosuch does not exist; check path and mount"):
        engine.rollback(engine.secret("nosuch", 1))
    assert engine.info(engine.secret("nosuch", 1))[0]["live_state"] == "missing"


def test_everything_in_the_way_is_said_at_once(engine: Engine) -> None:
    engine.put("app", OLD, NEW)
    with pytest.raises(RollbackError) as caught:
        engine.rollback(engine.secret("app", 9), engine.secret("nosuch", 1))
    assert len(caught.value.details["problems"]) == 2


def test_a_deleted_target_is_undeleted_by_option(engine: Engine) -> None:
    engine.put("app", OLD, NEW)
    _unused = engine.client.secrets.kv.v2.delete_secret_versions("app", [1], mount_point=engine.mount)
    predicted = engine.rollback(engine.secret("app", 1), undelete=True, check=True)
    assert predicted["changed"]
    assert engine.get("app", 1) is None
    outcome = engine.rollback(engine.secret("app", 1), undelete=True)
    assert outcome["secrets"][0]["undeleted"]
    assert outcome["secrets"][0]["keys_changed"] == ["APP_THEME"]
    assert engine.get("app") == engine.get("app", 1) == OLD
    assert not engine.rollback(engine.secret("app", 1), undelete=True)["changed"]


def test_an_undelete_is_taken_back_when_the_target_turns_out_unfit(engine: Engine) -> None:
    engine.put("app", {"ID": 2**60, "NAME": "x"}, NEW)
    engine.client.secrets.kv.v2.delete_secret_versions("app", [1], mount_point=engine.mount)
    with pytest.raises(RollbackError, match="under ID;"):
        engine.rollback(engine.secret("app", 1), undelete=True)
    assert engine.get("app", 1) is None
    assert engine.get("app") == NEW


@pytest.mark.parametrize("value", [2**53 + 2, -(2**60), {"deep": [1, {"er": 12345678901234567890}]}])
def test_integers_beyond_2_to_the_53_are_refused_by_key(engine: Engine, value: Any) -> None:
    engine.put("app", {"BIG": value, "SMALL": 1}, NEW)
    with pytest.raises(RollbackError) as caught:
        engine.rollback(engine.secret("app", 1))
    assert "under BIG;" in caught.value.message
    assert "1234567" not in caught.value.message
    assert engine.metadata("app")["current_version"] == 2


def test_values_of_every_json_kind_come_back_exactly(engine: Engine) -> None:
    data = {"a": [1, 2.5, None, True], "u": "é☃", "n": -1, "f": 1.1, "z": "", "m": {"x": {}}, "e": 2**53, "s": 1e-9}
    engine.put("app", data, NEW)
    engine.rollback(engine.secret("app", 1))
    assert engine.get("app") == data
    assert engine.get("app")["a"][3] is True


def test_true_and_one_are_not_equal_data(engine: Engine) -> None:
    engine.put("app", {"a": True}, {"a": 1})
    assert engine.rollback(engine.secret("app", 1))["changed"]
    assert engine.get("app")["a"] is True


def test_a_secret_changed_since_the_release_is_refused(engine: Engine) -> None:
    engine.put("app", OLD, NEW, {**NEW, "HOTFIX": "1"})
    with pytest.raises(RollbackError, match="was changed since the release: version 3 is live"):
        engine.rollback(engine.secret("app", 1, current=2))
    assert engine.info(engine.secret("app", 1, current=2))[0]["position"] == "other"
    assert engine.rollback(engine.secret("app", 1, current=3))["changed"]


def test_the_releases_data_under_a_newer_number_counts_as_the_release(engine: Engine) -> None:
    engine.put("app", OLD, NEW, NEW)
    assert engine.info(engine.secret("app", 1, current=2))[0]["position"] == "release"
    assert engine.rollback(engine.secret("app", 1, current=2))["changed"]
    assert engine.info(engine.secret("app", 1, current=2))[0]["position"] == "previous"


def test_the_same_secret_twice_is_refused(engine: Engine) -> None:
    with pytest.raises(RollbackError, match="listed twice"):
        engine.rollback(engine.secret("app", 1), engine.secret("/app/", 2))


@pytest.mark.parametrize("path", ["a/../b", "a//b", "", "."])
def test_paths_that_name_another_secret_are_refused(engine: Engine, path: str) -> None:
    with pytest.raises(RollbackError, match="is not a plain path"):
        engine.rollback(engine.secret(path, 1))


def test_paths_are_quoted(engine: Engine) -> None:
    engine.put("team a/app?version=2#x", OLD, NEW)
    engine.rollback(engine.secret("team a/app?version=2#x", 1))
    assert engine.get("team a/app?version=2#x") == OLD


def test_a_mount_with_slashes_is_found_and_a_wrong_split_is_explained(engine: Engine) -> None:
    engine.put("deep/app", OLD, NEW)
    split = {"path": "app", "engine_mount_point": f"{engine.mount}/deep", "version": 1}
    with pytest.raises(RollbackError, match=rf"mounted at {engine.mount}/, not {engine.mount}/deep/"):
        engine.rollback(split)


def test_digests_let_others_compare_without_seeing(engine: Engine) -> None:
    engine.put("app", {"A": "x", "N": 10, "T": True}, NEW)
    expected = {"A": digest("key", "x"), "N": digest("key", "10"), "T": digest("key", "true")}
    assert engine.rollback(engine.secret("app", 1), digest_key="key")["secrets"][0]["digests"] == expected
    assert engine.rollback(engine.secret("app", 1), digest_key="key")["secrets"][0]["digests"] == expected


def test_the_diff_names_keys_and_shows_no_value(engine: Engine) -> None:
    engine.put("app", OLD, NEW)
    diff = engine.rollback(engine.secret("app", 1), diff=True)["diff"]
    assert set(diff[0]["before"]) == {"APP_THEME", "APP_FLAG"}
    assert set(diff[0]["after"]) == {"APP_THEME", "APP_NOTE"}
    assert all(value.startswith("hmac:") and len(value) == 17 for value in diff[0]["before"].values())
    assert diff[0]["before"]["APP_THEME"] != diff[0]["after"]["APP_THEME"]


def _several(engine: Engine, count: int) -> list[dict[str, Any]]:
    for number in range(count):
        engine.put(f"app{number}", {**OLD, "N": str(number)}, {**NEW, "N": str(number)})
    return [engine.secret(f"app{number}", 1) for number in range(count)]


FORBIDDEN = (403, b'{"errors":["1 error occurred:\\n\\t* permission denied\\n\\n"]}')


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_failure_after_some_of_four_puts_all_back(engine: Engine, after: int) -> None:
    secrets = _several(engine, 4)
    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on(rf"POST {engine.mount}/data/app{after}$", lambda: FORBIDDEN)
        with pytest.raises(RollbackError) as caught:
            engine.rollback(*secrets, url=meddler.address)
    assert [engine.get(f"app{number}") for number in range(4)] == [{**NEW, "N": str(number)} for number in range(4)]
    assert caught.value.details["put_back"] == [f"{engine.mount}/app{number}" for number in range(after)]
    assert caught.value.details["not_put_back"] == []
    assert "no right to" in caught.value.message


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_an_answer_lost_after_any_write_is_told_from_a_failure(engine: Engine, after: int) -> None:
    secrets = _several(engine, 4)
    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on(rf"POST {engine.mount}/data/app{after - 1}$", "lost")
        outcome = engine.rollback(*secrets, url=meddler.address)
    assert [secret["to_version"] for secret in outcome["secrets"]] == [3] * 4
    assert [engine.get(f"app{number}") for number in range(4)] == [{**OLD, "N": str(number)} for number in range(4)]


def test_a_live_version_that_was_deleted_is_deleted_again_when_put_back(engine: Engine) -> None:
    secrets = _several(engine, 2)
    engine.client.secrets.kv.v2.delete_latest_version_of_secret("app0", mount_point=engine.mount)
    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on(rf"POST {engine.mount}/data/app1$", lambda: FORBIDDEN)
        with pytest.raises(RollbackError):
            engine.rollback(*secrets, url=meddler.address)
    assert engine.get("app0") is None


def test_what_cannot_be_put_back_is_named_with_its_command(engine: Engine) -> None:
    secrets = _several(engine, 2)
    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on(rf"POST {engine.mount}/data/app1$", lambda: FORBIDDEN)
        meddler.on(rf"POST {engine.mount}/data/app0$", lambda: FORBIDDEN, skip=1)
        with pytest.raises(RollbackError) as caught:
            engine.rollback(*secrets, url=meddler.address)
    assert caught.value.details["not_put_back"] == [f"{engine.mount}/app0"]
    assert caught.value.details["changed"] is True
    assert f"`vault kv rollback -mount={engine.mount} app0 -version=2`" in caught.value.message


def test_a_concurrent_writer_is_one_clear_error_and_nothing_is_half_done(engine: Engine) -> None:
    secrets = _several(engine, 3)

    def interfere() -> None:
        engine.put("app1", {"theirs": "1"})

    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on(rf"POST {engine.mount}/data/app1$", interfere)
        with pytest.raises(
            RollbackError, match=r"app1 was written by somebody else meanwhile \(version 2 was live, now 3\)"
        ):
            engine.rollback(*secrets, url=meddler.address)
    assert engine.get("app0") == {**NEW, "N": "0"}
    assert engine.get("app1") == {"theirs": "1"}
    assert engine.metadata("app2")["current_version"] == 2


def test_a_writer_between_write_and_putting_back_is_not_overwritten(engine: Engine) -> None:
    secrets = _several(engine, 2)

    def interfere() -> tuple[int, bytes]:
        engine.put("app0", {"theirs": "1"})
        return FORBIDDEN

    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on(rf"POST {engine.mount}/data/app1$", interfere)
        with pytest.raises(RollbackError) as caught:
            engine.rollback(*secrets, url=meddler.address)
    assert engine.get("app0") == {"theirs": "1"}
    assert caught.value.details["not_put_back"] == [f"{engine.mount}/app0"]


def test_reading_alone_sends_no_write(engine: Engine) -> None:
    secrets = _several(engine, 2)
    with Meddler(engine.address, engine.ca_cert) as meddler:
        engine.info(*secrets, url=meddler.address)
        engine.rollback(*secrets, url=meddler.address, check=True)
        assert meddler.writes() == []
