"""The life of a cluster, from its first call to its last: faults and work for a while, then rest, then the books are
opened."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from headrace.model.job import Job
from headrace.model.schedule import TICK_HEADER
from headrace.storage.contract import Filter, Storage
from headrace.testing.history.records import AnyRecord, Ceiling, Declared, Rows, Scheduled
from headrace.testing.simulation.cluster import EACH, SCHEDULE, Cluster
from headrace.testing.simulation.nemesis import Nemesis
from headrace.testing.simulation.processes import Process
from headrace.testing.simulation.programs import Programs
from headrace.testing.simulation.tasks import CAPPED, LIMIT

_LOOK = 1.0
_PAGE = 1_000


async def live(cluster: Cluster) -> Sequence[AnyRecord]:
    """The history of all of it."""
    options, clock = cluster.options, cluster.clock
    await cluster.storage.open()
    _declare(cluster)
    shared = (
        ("worker", options.workers, _work),
        ("producer", options.producers, _produce),
        ("operator", options.operators, _operate),
        ("claimer", options.claimers, _claim),
    )
    for kind, number, program in (("owner", 2, _do_all),) if options.journal else shared:
        for place in range(number):
            cluster.keep(f"{kind}-{place}", program)
    nemesis = Nemesis(cluster)
    await clock.sleep(options.minutes * 60)
    cluster.ask_for_nothing_more()
    nemesis.heal()
    end = clock.monotonic() + options.within
    while not await cluster.is_done() and clock.monotonic() < end:
        await clock.sleep(_LOOK)
    await cluster.close()
    jobs = await all_jobs(cluster.storage)
    _expect_ticks(cluster, jobs)
    cluster.witness.write(Rows(at=cluster.witness.now, process="cluster", jobs=jobs))
    return cluster.witness.records


def _declare(cluster: Cluster) -> None:
    now, witness = cluster.witness.now, cluster.witness
    # Not where the clock that fills buckets jumps; nor where nobody sees permits come back in a put without an answer.
    if not (cluster.options.step_each or cluster.options.journal):
        witness.write(Declared(at=now, process="cluster", limit=LIMIT, count=5, period=1000, burst=5))
    witness.write(Ceiling(at=now, process="cluster", queue=CAPPED, most=2))


def _expect_ticks(cluster: Cluster, jobs: Sequence[Job]) -> None:
    """From the first one on, at equal distances, up to the last."""
    ticks = sorted(at for at in map(_tick_of, jobs) if at is not None)
    if ticks:
        expected = tuple(range(ticks[0], ticks[-1] + 1, round(EACH * 1000)))
        cluster.witness.write(Scheduled(at=ticks[0], process="cluster", schedule=SCHEDULE, ticks=expected))


def _tick_of(job: Job) -> int | None:
    text = job.options.headers.get(TICK_HEADER)
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


async def all_jobs(storage: Storage) -> Sequence[Job]:
    """Everything in the store."""
    found: list[Job] = []
    after: str | None = None
    while True:
        page = await storage.find(Filter(), limit=_PAGE, after=after)
        found += page.jobs
        after = page.next
        if after is None:
            return found


async def _work(cluster: Cluster, process: Process, programs: Programs) -> None:
    await programs.work(lambda: cluster.stopping(process))


async def _produce(cluster: Cluster, process: Process, programs: Programs) -> None:
    await programs.produce()
    await cluster.stopping(process)


async def _operate(cluster: Cluster, process: Process, programs: Programs) -> None:
    await programs.operate()
    await cluster.stopping(process)


async def _claim(cluster: Cluster, process: Process, programs: Programs) -> None:
    await programs.claim()
    await cluster.stopping(process)


async def _do_all(cluster: Cluster, process: Process, programs: Programs) -> None:
    """As a program that is worker and producer in one."""
    options = cluster.options

    async def rest() -> None:
        operating = [programs.operate() for _ in range(options.operators)]
        claiming = [programs.claim() for _ in range(options.claimers)]
        await asyncio.gather(programs.produce(), *operating, *claiming)
        await cluster.stopping(process)

    await programs.work(rest)
