"""Two versions of the package on one database, whose schema is migrated while both work there.

The newer one has a column and an index more. The older one is the package as it was before its newest migration; while
there is only one migration, it is this package.
"""

from collections import Counter
from pathlib import Path

from replicas.fleet import Process, Replicas, replicas
from replicas.older import older_package, package_before
from survival import ledger
from survival.fleet import wait_until

from headrace.interface.cli.exits import SCHEMA
from headrace.storage.postgres.schema import LATEST
from headrace.testing.servers.databases import Postgres

OLDER, NEWER = "replicas.app", "replicas.next"
QUEUES = "plain:4,tick:2"
ENOUGH = 40


class Upgrade:
    """The processes of both versions, and what their producers were told."""

    def __init__(self, ships: Replicas) -> None:
        self.ships = ships
        self._older = older_package(ships.folder)
        self._asked: dict[str, Path] = {}

    def start_workers(self, module: str, processes: int) -> Process:
        ready = len(self.ships.ready())
        process = self.ships.start_workers(module, processes, QUEUES, self._source(module))
        self.ships.wait_ready(ready + processes)
        return process

    def start_producer(self, module: str) -> Process:
        path = self._asked[module] = self.ships.folder / f"asked-by-{module}"
        return self.ships.start_of(self._source(module), "-m", "replicas.producer", module, str(path))

    def run(self, module: str, command: str, *options: str) -> int:
        """The exit code of a command of ``headrace``."""
        process = self.ships.start_of(self._source(module), "-m", "headrace", command, f"{module}:app", *options)
        return self.ships.wait(process)

    def _source(self, module: str) -> Path | None:
        return self._older if module == OLDER else None

    def acknowledged(self, *modules: str) -> list[str]:
        """Ids of the jobs that the producers of these versions asked for. None of them was refused any."""
        records = [record for module in modules for record in ledger.read(self._asked[module])]
        assert [record for record in records if record["kind"] != "ok"] == []
        return [job_id for record in records for job_id in record["jobs"]]

    def wait_for_more(self, *modules: str, workers: int) -> None:
        """Until producers of these versions were told of more jobs, and so many workers have run some of them."""
        since = {module: len(self.acknowledged(module)) for module in modules}
        for module, before in since.items():
            wait_until(lambda m=module, n=before: len(self.acknowledged(m)) > n + ENOUGH, f"{module} enqueues")
        before = len(self.ships.runs("plain"))

        def ran() -> set[int]:
            return {run.pid for run in self.ships.runs("plain")[before:]}

        wait_until(lambda: len(ran()) == workers, "each worker runs more jobs")


def test_both_versions_work_while_the_schema_is_migrated_and_the_older_one_until_the_newer_takes_over(
    fresh_postgres: str, postgres_server: Postgres, tmp_path: Path
) -> None:
    with replicas(tmp_path, fresh_postgres, lease="2s", poll="500ms") as ships:
        upgrade = Upgrade(ships)
        older, asking = upgrade.start_workers(OLDER, 2), upgrade.start_producer(OLDER)
        upgrade.wait_for_more(OLDER, workers=2)
        assert upgrade.run(NEWER, "worker") == SCHEMA, "the newer one needs what is not there yet"
        assert upgrade.run(NEWER, "migrate") == 0
        newer, asking_too = upgrade.start_workers(NEWER, 2), upgrade.start_producer(NEWER)
        started_later = upgrade.start_workers(OLDER, 1)
        upgrade.wait_for_more(OLDER, NEWER, workers=5)
        assert [ships.let_go(asking), ships.end(older), ships.end(started_later)] == [0, 0, 0]
        assert upgrade.run(NEWER, "migrate", "--post") == 0
        assert upgrade.run(OLDER, "worker") == SCHEMA
        assert f"has schema {LATEST + 2}" in ships.output()
        upgrade.wait_for_more(NEWER, workers=2)
        assert ships.let_go(asking_too) == 0
        ids = upgrade.acknowledged(OLDER, NEWER)

        def states() -> str:
            query = "SELECT state, count(*) FROM headrace.jobs WHERE queue = 'plain' GROUP BY state"
            return postgres_server.run_sql(query, fresh_postgres.rpartition("/")[2])

        wait_until(lambda: states() == f"completed|{len(ids)}", "all are completed")
        assert ships.end(newer) == 0
        assert Counter(run.job for run in ships.runs("plain")) == Counter(ids)
        assert ships.complaints() == []


def test_the_package_before_a_migration_is_found(tmp_path: Path) -> None:
    """Even where no test needs it, because there is only one migration."""
    source = package_before(LATEST, tmp_path)
    assert (source / "headrace" / "__init__.py").exists()
    assert not list(source.glob(f"**/{LATEST:04}.pre.sql"))
