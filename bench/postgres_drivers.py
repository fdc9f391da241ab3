"""asyncpg beside psycopg 3 on the statements of our Postgres storage: ``python -m bench.postgres_drivers URL``.

Both send the same texts with the same parameters from one process: bulk inserts of 1,000 rows, and the claim and the
completion of 200, the completion of one batch beside the claim of the next. Rounds alternate; medians are printed.
"""

import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

import asyncpg
import psycopg

from headrace.model import lifecycle
from headrace.model.job import NewJob
from headrace.model.outcome import Returned
from headrace.storage.contract import Demand
from headrace.storage.postgres import PostgresStorage, applying, claiming, inserting
from headrace.storage.postgres.front import Front
from headrace.storage.postgres.guests import by_name, named
from headrace.storage.postgres.settings import read_url
from headrace.storage.postgres.statement import Steps
from headrace.storage.postgres.telling import Told
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

JOBS, CHUNK, BATCH, ROUNDS = 20_000, 1_000, 200, 5
PAYLOAD = '{"user":123456,"note":"xxxxxxxxxxxxxxxxxxxxxxxx"}'
Fetch = Callable[[str, tuple[object, ...]], Awaitable[Sequence[Any]]]


async def run(fetch: Fetch, steps: Steps[Any]) -> Any:
    """Takes an operation of one statement through it."""
    statement = next(steps)
    rows = await fetch(statement.text.replace("{schema}", "headrace"), statement.parameters)
    try:
        steps.send(rows)
    except StopIteration as end:
        return end.value
    raise RuntimeError("more than one statement")


async def measure(first: Fetch, second: Fetch) -> tuple[float, float]:
    """Jobs a second: inserted, and claimed and completed."""
    ids, front = Ids(SystemClock()), Front()
    news = [
        NewJob(ids.new(), "noop", "bench", '{"user":123456,"note":"xxxxxxxxxxxxxxxxxxxxxxxx"}') for _ in range(JOBS)
    ]
    began = perf_counter()
    for start in range(0, JOBS, CHUNK):
        await run(first, inserting.insert_plain(Told(0), news[start : start + CHUNK]))
    inserted = JOBS / (perf_counter() - began)
    began, completing = perf_counter(), None
    while True:
        jobs = await run(first, claiming.claim(Told(0), "w", [Demand("bench", BATCH)], front, perf_counter()))
        if completing is not None:
            await completing
        if not jobs:
            return inserted, JOBS / (perf_counter() - began)
        changes = [lifecycle.complete(job, Returned()) for job in jobs]
        finish = applying.common_finish(changes)
        completing = asyncio.ensure_future(run(second, applying.complete(Told(0), changes, finish)))


async def with_asyncpg(url: str) -> tuple[float, float]:
    """One round."""
    connections = [await asyncpg.connect(url, server_settings={"jit": "off"}) for _ in range(2)]
    fetches = [lambda text, values, own=own: own.fetch(text, *values) for own in connections]
    try:
        return await measure(*fetches)
    finally:
        for own in connections:
            await own.close()


async def with_psycopg(url: str) -> tuple[float, float]:
    """One round; statements are prepared from their second use on."""
    connections = [await psycopg.AsyncConnection.connect(url, autocommit=True, prepare_threshold=1) for _ in range(2)]

    def fetch_of(own: psycopg.AsyncConnection[Any]) -> Fetch:
        async def fetch(text: str, values: tuple[object, ...]) -> Sequence[Any]:
            cursor = await own.execute(named(text), by_name(values))
            return await cursor.fetchall()

        return fetch

    try:
        for own in connections:
            await own.execute("SET jit = off")
        return await measure(*map(fetch_of, connections))
    finally:
        for own in connections:
            await own.close()


async def main(url: str) -> None:
    """Prints medians and their ratio."""
    storage = PostgresStorage(read_url(url, url))
    await storage.open()
    await storage.beat("w", [], 3_600)
    await storage.close()
    found: dict[str, list[tuple[float, float]]] = {"asyncpg": [], "psycopg": []}
    for _ in range(ROUNDS):
        found["asyncpg"].append(await with_asyncpg(url))
        found["psycopg"].append(await with_psycopg(url))
    for place, what in enumerate(("bulk inserts", "claims and completions")):
        rates = {driver: statistics.median(round_[place] for round_ in rounds) for driver, rounds in found.items()}
        listed = ", ".join(f"{driver} {rate:,.0f}/s" for driver, rate in rates.items())
        print(f"{what}: {listed}, ratio {rates['asyncpg'] / rates['psycopg']:.2f}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
