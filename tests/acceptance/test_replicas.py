"""Eight worker processes over one database, half of them of a newer release: once told of news by the server, once by
polling alone. What they did is judged by what their handlers wrote down."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

import pytest
from replicas import CEILING, EVERY, QUEUES
from replicas.fleet import Process, Replicas, replicas
from replicas.runs import most_at_once
from survival import limited
from survival.fleet import wait_until

from headrace import CancelOutcome, Headrace, State
from headrace.model.errors import JobCancelled
from headrace.storage.contract import Receipt
from headrace.testing.servers.databases import Postgres

EACH = 4
"""Workers under each of two supervisors."""
LEASE = 2.0
POLL = {"on": "1s", "off": "500ms"}
FRESH = 60


class Stage(NamedTuple):
    """The fleet at work, and somebody who asks things of it."""

    notify: str
    ships: Replicas
    supervisors: list[Process]
    app: Headrace
    fresh: set[str]
    """Jobs that were asked for while half of the workers did not know their task. They wait for a while."""
    plain: set[str]
    """Jobs that were asked for while workers of an older release were replaced."""

    def fill(self, task: str, jobs: int) -> set[str]:
        calls = [self.app.by_name(task, {"number": number}, {"queue": task}) for number in range(jobs)]
        return {receipt.id for receipt in self.app.enqueue_many(calls)}

    def ask_for(self, task: str) -> Receipt[object]:
        (receipt,) = self.app.enqueue_many([self.app.by_name(task, {}, {"queue": task})])
        return receipt

    def wait_completed(self, queue: str, jobs: int) -> None:
        wait_until(
            lambda: self.app.counts().get(queue) == {State.COMPLETED: jobs}, f"{jobs} of {queue} are completed", 60
        )

    def deploy(self) -> None:
        """Replace the older half of the workers."""
        self.plain.update(self.fill("plain", 300))
        self.fresh.update(self.fill("fresh", FRESH))

        def is_parked() -> bool:
            return any(job.parked_at is not None for job in self.app.jobs(queue="fresh", limit=FRESH))

        wait_until(is_parked, "some meet a worker that doesn't know them")
        self.supervisors.append(self.ships.start_workers("replicas.newer", EACH, QUEUES))
        self.ships.wait_ready(3 * EACH)
        assert self.ships.end(self.supervisors.pop(0)) == 0
        self.wait_completed("plain", len(self.plain))


@pytest.fixture(scope="module", params=["on", "off"])
def stage(
    request: pytest.FixtureRequest, postgres_server: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """After a rolling deploy."""
    notify: str = request.param
    url = f"{postgres_server.create_database()}?notify={notify}"
    folder = tmp_path_factory.mktemp("replicas")
    # whoever is told of news waits for them, and doesn't look
    poll = "5s" if notify == "on" else POLL[notify]
    with replicas(folder, url, lease=f"{LEASE}s", poll=POLL[notify]) as ships, Headrace(url, poll=poll) as app:
        app.scale("narrow", CEILING)
        supervisors = [ships.start_workers(name, EACH, QUEUES) for name in ("replicas.app", "replicas.newer")]
        ships.wait_ready(2 * EACH)
        stage = Stage(notify, ships, supervisors, app, set(), set())
        stage.deploy()
        yield stage
    postgres_server.drop_database(url.partition("?")[0])


def test_each_job_is_run_once(stage: Stage) -> None:
    before = len(stage.ships.runs("plain"))
    ids = stage.fill("plain", 500) | stage.fill("plain", 500)
    stage.wait_completed("plain", before + len(ids))
    runs = stage.ships.runs("plain")
    assert Counter(run.job for run in runs[before:]) == Counter(ids)
    assert {run.fence for run in runs} == {1}
    assert len({run.pid for run in runs[before:]}) > EACH


def test_a_ceiling_is_held_and_shared_fairly_to_within_one(stage: Stage) -> None:
    ids = stage.fill("narrow", 200)

    def is_fair() -> bool:
        held = Counter(job.worker for job in stage.app.jobs(state="running", queue="narrow", limit=100))
        return held.total() == CEILING and len(held) == 2 * EACH and set(held.values()) <= {2, 3}

    wait_until(is_fair, "each of eight has two or three of twenty")
    since = time.monotonic()
    stage.wait_completed("narrow", len(ids))
    runs = stage.ships.runs("narrow")
    assert {run.job for run in runs} == ids
    assert len(runs) == len(ids)
    assert most_at_once(runs) <= CEILING
    later = [run for run in runs if run.begin > since]
    assert len(later) > len(ids) / 3, "it was fair for most of the time"
    for pid in {run.pid for run in runs}:
        assert most_at_once(run for run in later if run.pid == pid) <= 3


def test_no_window_gets_more_than_the_limit_allows(stage: Stage) -> None:
    ids = stage.fill("limited", 400)
    stage.wait_completed("limited", len(ids))
    runs = stage.ships.runs("limited")
    assert Counter(run.job for run in runs) == Counter(ids)

    def granted() -> int:
        return limited.buckets(stage.ships.effects_path)[-1].granted

    wait_until(lambda: granted() == len(ids), "permits that were bought for nothing are given back")
    assert limited.worst_window(limited.buckets(stage.ships.effects_path)) <= 0


def test_a_running_job_is_stopped_from_another_process(stage: Stage) -> None:
    delays: list[float] = []
    for _ in range(5):
        receipt = stage.ask_for("long")

        def ended(job_id: str = receipt.id) -> float:
            return next((run.end for run in stage.ships.runs("long") if run.job == job_id), 0.0)

        wait_until(ended, "it runs")
        asked = time.monotonic()
        assert stage.app.cancel(receipt) is CancelOutcome.REQUESTED
        with pytest.raises(JobCancelled):
            stage.app.result(receipt, 30)
        delays.append(ended() - asked)
    assert max(delays) < (2.0 if stage.notify == "on" else 3.0), delays
    assert stage.notify == "off" or median(delays) < LEASE / 6, delays  # half of what a look takes


def test_a_join_ends_when_another_process_finishes_the_job(stage: Stage) -> None:
    delays: list[float] = []
    for _ in range(5):
        ended = stage.app.result(stage.ask_for("answer"), 30)
        assert isinstance(ended, float)
        delays.append(time.monotonic() - ended)
    assert median(delays) < 0.5, delays


def test_what_was_asked_for_during_a_rolling_deploy_is_done(stage: Stage) -> None:
    """Also what half of the workers did not know."""
    plain = Counter(run.job for run in stage.ships.runs("plain"))
    assert {plain[job_id] for job_id in stage.plain} == {1}
    stage.wait_completed("fresh", FRESH)
    assert Counter(run.job for run in stage.ships.runs("fresh")) == Counter(stage.fresh)
    assert {job.attempt for job in stage.app.jobs(queue="fresh", limit=FRESH)} == {1}


def test_nobody_had_a_reason_to_complain(stage: Stage) -> None:
    assert stage.ships.complaints() == []


def test_a_killed_leader_is_followed_within_a_lease_and_each_tick_is_one_job(
    stage: Stage, postgres_server: Postgres
) -> None:
    """The supervisors stand still meanwhile: they would free the lease of a worker that died."""

    def leader() -> int:
        query = "SELECT value::json ->> 'worker' FROM headrace.records WHERE kind = 'lease' AND name = 'leader'"
        database = stage.ships.url.partition("?")[0].rpartition("/")[2]
        worker_id = postgres_server.run_sql(query, database)
        return next((one.presence.pid for one in stage.app.workers() if one.id == worker_id), 0)

    took: list[float] = []
    victims: set[int] = set()
    for _ in range(2):
        wait_until(leader, "somebody leads")
        victim, ticks = leader(), len(stage.ships.runs("tick"))
        victims.add(victim)
        for supervisor in stage.supervisors:
            supervisor.send_signal(signal.SIGSTOP)
        assert stage.ships.send(victim, signal.SIGKILL)
        killed = time.monotonic()
        wait_until(lambda victim=victim: leader() not in (0, victim), "another one leads")
        took.append(time.monotonic() - killed)
        for supervisor in stage.supervisors:
            supervisor.send_signal(signal.SIGCONT)
        wait_until(lambda ticks=ticks: len(stage.ships.runs("tick")) > ticks + 3, "ticks go on")
    assert max(took) < LEASE + 2.0, took  # a lease, a look, and what a busy machine adds
    jobs = stage.app.jobs(queue="tick", limit=10_000)
    due = sorted(job.due_at for job in jobs)
    assert due == list(range(due[0], due[-1] + 1, round(EVERY * 1000)))

    def have_successors() -> bool:
        known = {worker.presence.pid for worker in stage.app.workers()}
        stage.fill("plain", 2 * EACH)
        at_work = {run.pid for run in stage.ships.runs("plain")[-500:]}
        return len(known) == 2 * EACH and known <= at_work and not known & victims

    wait_until(have_successors, "successors are at work, and the killed are forgotten")
    print(f"notify={stage.notify}: another led after {', '.join(f'{each:.2f} s' for each in took)}")


def test_they_end_in_good_order(stage: Stage) -> None:
    for supervisor in stage.supervisors:
        supervisor.send_signal(signal.SIGTERM)
    assert [stage.ships.end(supervisor) for supervisor in stage.supervisors] == [0, 0]
    assert list(stage.app.workers()) == []
