"""What survives: kill -9 at random, frozen workers, blocked loops, jobs that kill, and a supervisor that vanishes."""

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from headrace import Headrace
from headrace.model.job import Job
from headrace.model.state import FINAL
from survival import ledger
from survival.checker import judge
from survival.fleet import fleet, wait_until
from survival.storm import Storm

SEED = int(os.environ.get("SURVIVAL_SEED", "1"))
KILLS = int(os.environ.get("SURVIVAL_KILLS", "200"))
HEALING = 60.0
FLAKY, MAX_ATTEMPTS = 17, 3  # as in survival.app, which can't be imported here: it is the app of other processes


def every_job(app: Headrace) -> Sequence[Job]:
    jobs: list[Job] = []
    after: str | None = None
    while True:
        page = app.jobs(limit=1000, after=after)
        jobs += page
        after = page.next
        if after is None:
            return jobs


def all_final(app: Headrace) -> bool:
    return all(state in FINAL for states in app.counts().values() for state in states)


def row(app: Headrace, job_id: str) -> Job:
    job = app.job(job_id)
    assert job is not None
    return job


def integrity(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def enqueue(app: Headrace, task: str, count: int = 1, **arguments: object) -> list[str]:
    return [app.enqueue(f"survival.app.{task}", arguments).id for _ in range(count)]


# --- kill -9, at random -----------------------------------------------------------------------------------------------


@pytest.mark.timeout(240)
def test_a_storm_of_kills_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    with fleet(tmp_path) as ships:
        storm = Storm(ships, SEED)
        storm.run(KILLS)
        stormed = time.monotonic()
        storm.end_producers()
        wait_until(lambda: not storm.orphans & ships.pids(), "workers without a supervisor end by themselves")
        with Headrace(ships.url) as app:
            wait_until(lambda: all_final(app), "all jobs are final after the storm", HEALING)
            healed = time.monotonic()
            storm.end_supervisors()
            wait_until(lambda: not ships.pids(), "every process has ended by itself")
            jobs = every_job(app)
        requests = [record for path in storm.requests() for record in ledger.read(path)]
        effects = ships.effects()
        verdict = judge(requests, effects, jobs, FLAKY, MAX_ATTEMPTS)
        whole = integrity(ships.database)
        line = (
            f"survival seed {SEED}: {_text(storm)} in {stormed - begun:.0f} s, healed in {healed - stormed:.1f} s; "
            f"{verdict.acknowledged} acknowledged of {verdict.invoked}, {verdict.lost} lost "
            f"(95 %: under {3 / KILLS:.1%} of kills lose one), {verdict.starts} starts, "
            f"{verdict.duplicate_starts} duplicate, {verdict.overlaps} overlapping, "
            f"{verdict.double_completions} double completions, {verdict.fenced_ends} runs in vain, "
            f"{verdict.refused} late writes refused, {verdict.crashes} crashes; integrity {whole}"
        )
        if verdict.violations:
            replay = f"SURVIVAL_SEED={SEED} SURVIVAL_KILLS={KILLS} make test PYTEST_ARGS='-k storm_of_kills'"
            pytest.fail("\n".join([*verdict.violations[:20], line, f"replay: {replay}"]), pytrace=False)
        assert whole == "ok"
        with capsys.disabled():
            print(f"\n{line}")


def _text(storm: Storm) -> str:
    kinds = ", ".join(f"{count} {kind}s" for kind, count in sorted(storm.killed.items()))
    return f"{storm.killed.total()} kills ({kinds})"
