# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole rollback against careful.sh, on the same sandbox, in turns: with a tiny database and with a large one.

PYTHONPATH=.:collections .venv/bin/python -m tests.benchmark.rollback [ROUNDS] [GIGABYTES]
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmark.postgres_backup import large_table
from tests.benchmark.timing import BIN, ROOT, Sample, figures, in_turn, machine, ratio, run, shell
from tests.sandbox import proof
from tests.sandbox.__main__ import variables
from tests.sandbox.demo import WANTED
from tests.sandbox.releases import Pipeline, Places, transaction
from tests.sandbox.stack import read_endpoints
from tests.sandbox.supervisor import down, up

OPTIONS = ROOT / "tests/benchmark/rollback.yml"
ROLLBACK = [BIN / "ansible-playbook", "playbooks/rollback.yml", "-e", "version=1.4.2", "-e", f"@{OPTIONS}"]


class Race:
    """Both ways of rolling the shop back, each after the release was shipped again."""

    def __init__(self, directory: Path, endpoints: Mapping[str, Any]) -> None:
        """Nothing is shipped yet."""
        self.directory, self.endpoints = directory, endpoints
        self.pipeline = Pipeline(Places.of(endpoints), lambda _line: None)
        self.log = directory / "benchmark.log"
        self.environment = {**shell(), **variables(endpoints)}
        # As an inventory of production has its addresses, and as the script gets them: the sandbox's own inventory
        # reads them from a file, again for every variable.
        self.addresses = directory / "addresses.json"
        self.addresses.write_text(json.dumps({"sandbox": dict(endpoints)}))
        self.rollback = [*ROLLBACK, "-e", f"@{self.addresses}"]

    def ours(self) -> Sample:
        """The playbook."""
        return self._timed(self.rollback)

    def careful(self) -> Sample:
        """The script."""
        shop = ROOT / "tests/sandbox/shop"
        self.environment |= {
            "SHOP_DIRECTORY": str(shop),
            "SHOP_INTERNAL_URL": self.endpoints["shop"]["internal_url"],
            "BACKUPS": str(self.directory / "backups"),
        }
        return self._timed(["bash", ROOT / "tests/benchmark/careful.sh"])

    def again(self) -> Sample:
        """The playbook on a release that is undone already."""
        return run(self.rollback, self.environment, self.log)

    def planned(self) -> Sample:
        """plan.yml for a release that is out, without a rehearsal."""
        return self._played("plan", "database_rehearse=false")

    def recorded(self) -> Sample:
        """record.yml for a release that is out."""
        return self._played("record", f"record_manifests={self.directory}/recorded")

    def _played(self, playbook: str, *options: str) -> Sample:
        words = [word for option in (f"@{self.addresses}", *options) for word in ("-e", option)]
        return run(
            [BIN / "ansible-playbook", f"playbooks/{playbook}.yml", "-e", "version=1.4.2", *words],
            self.environment, self.log,
        )  # fmt: skip

    def _timed(self, argv: Sequence[str | Path]) -> Sample:
        self.pipeline.ship("1.4.2")
        sample = run(argv, self.environment, self.log)
        wrong = [line for line in proof.restored(self.endpoints, WANTED) if not line.holds]
        if wrong:
            raise RuntimeError("not rolled back: " + "; ".join(map(str, wrong)))
        return sample

    def fill(self, gigabytes: float) -> int:
        """Make the database large; its bytes."""
        with transaction(self.pipeline.places.database) as cursor:
            for statement in large_table("ledger", gigabytes):
                cursor.execute(statement)
        with transaction(self.pipeline.places.database) as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])


def compare(race: Race, rounds: int) -> dict[str, Any]:
    """Both sides in turn."""
    found = in_turn(rounds, {"careful script": race.careful, "octalume.rollback": race.ours})
    ours, careful = found["octalume.rollback"], found["careful script"]
    return {
        **{name: figures(samples) for name, samples in found.items()},
        "wall_ratio": ratio([sample.wall for sample in ours], [sample.wall for sample in careful]),
        "cpu_ratio": ratio([sample.cpu for sample in ours], [sample.cpu for sample in careful]),
    }


def measure(rounds: int, gigabytes: float) -> dict[str, Any]:
    """Everything, on a sandbox of its own that is ended afterwards."""
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".sandbox-benchmark-") as place:
        directory = Path(place)
        up(directory)
        try:
            race = Race(directory, read_endpoints(directory))
            race.pipeline.ship("1.4.1")
            found: dict[str, Any] = {"machine": machine(), "tiny database": compare(race, rounds)}
            alone = {"second run": race.again, "plan.yml": race.planned, "record.yml": race.recorded}
            race.pipeline.ship("1.4.2")
            found["playbooks"] = {
                name: figures(samples)
                for name, samples in in_turn(rounds, {key: alone[key] for key in ("plan.yml", "record.yml")}).items()
            }
            race.ours()
            found["playbooks"]["second run"] = figures(in_turn(rounds, {"second run": race.again})["second run"])
            if gigabytes:
                found["bytes"] = race.fill(gigabytes)
                found["large database"] = compare(race, rounds)
        finally:
            down(directory)
    return found


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    gigabytes = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    print(json.dumps(measure(rounds, gigabytes), indent=2))


if __name__ == "__main__":
    main()
