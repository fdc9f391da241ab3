"""Postgres with fsync on, on a server of its own: enqueue, drain, latency. Without a server installed, it says so."""

import asyncio
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench import drain, enqueue, latency
from bench.setting import Figure
from headrace.testing.servers.postgres import PostgresServer

POSTGRES = "postgres, fsync on"
_ROUNDS = 3


def measure() -> list[Figure]:
    """Medians of three rounds, each on a new database."""
    if PostgresServer.find() is None:
        print("postgres: not measured, no server is installed (apt-get install postgresql)")
        return []
    with PostgresServer.start(durable=True) as server:
        figures = [
            _figure(server, question, lambda url, work=work: enqueue.rate(url, work))
            for question, work in (
                ("bulk enqueue, 1,000 a call", enqueue.bulk),
                ("enqueue from 100 callers", enqueue.callers),
                ("enqueue from one caller", enqueue.single),
            )
        ]
        figures.append(_figure(server, "drain, concurrency 500", lambda url: drain.drain(url, 30_000, 500)))
        with _database(server) as url:
            across, idle = latency.across_processes(url)
    figures.append(
        Figure("latency p50, across processes", POSTGRES, statistics.median(across) * 1000, "ms", 4.5, False)
    )
    figures.append(Figure("idle worker, share of a core", POSTGRES, idle * 100, "%", 1, least=False))
    return figures


def _figure(server: PostgresServer, question: str, measured: Callable[[str], object]) -> Figure:
    rates = []
    for _ in range(_ROUNDS):
        with _database(server) as url:
            rates.append(asyncio.run(measured(url)))
    return Figure(question, POSTGRES, statistics.median(rates), "jobs/s")


@contextmanager
def _database(server: PostgresServer) -> Iterator[str]:
    url = server.create_database()
    yield url
    server.drop_database(url)
