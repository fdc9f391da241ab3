"""What a run needs to know of Postgres: a fresh database, what befalls the server, and whether the store is whole."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from headrace.testing.chaos.postgres import PostgresBackend
from headrace.testing.chaos.postgres_checks import find_damage
from headrace.testing.dice import Dice
from headrace.testing.servers.databases import Postgres
from headrace.testing.servers.postgres import PostgresServer


class Calm:
    """A storm in which nobody is killed."""

    def __init__(self) -> None:
        self.dice = Dice(1)
        self.men = 0

    def kill_one(self, role: str) -> bool:
        assert role in {"worker", "producer", "claimer"}
        return True

    def man(self) -> None:
        self.men += 1


@pytest.fixture
def backend(missing: Callable[[str, str], None]) -> Iterator[PostgresBackend]:
    if PostgresServer.find() is None:
        missing("Postgres", "apt-get install postgresql")
    backend = PostgresBackend()
    try:
        yield backend
    finally:
        backend.close()


def is_cut(url: str, strike: Callable[[], object]) -> bool:
    """Whether a connection to this URL does not outlive it."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(bytes((0, 0, 0, 8, 4, 210, 22, 47)))  # SSLRequest
        assert connection.recv(1) == b"N"
        strike()
        try:
            return connection.recv(1) == b""
        except ConnectionError:
            return True


def test_a_server_of_its_own_is_struck_and_each_store_is_fresh(backend: PostgresBackend, tmp_path: Path) -> None:
    first = backend.make(tmp_path / "store")
    second = backend.make(tmp_path / "store")
    assert first != second
    assert backend.writer(second) is None
    storm = cast("Any", Calm())
    faults = {fault.name: fault for fault in backend.faults()}
    assert set(faults) == {"restarts", "terminations", "cuts"}
    for _ in range(4):
        assert is_cut(second, lambda: faults["restarts"].strike(storm))
    assert storm.men > 0, "whoever is killed while it is down is started again while it is down"
    detour = backend.detour(second)
    assert detour != second
    assert is_cut(detour, lambda: [faults["cuts"].strike(storm) for _ in range(20)])
    assert set(backend.versions()) == {"postgres", "asyncpg"}
    backend.keep(second, tmp_path / "kept")
    assert "database system is ready" in (tmp_path / "kept" / "server.log").read_text()
    assert "PostgreSQL database dump" in (tmp_path / "kept" / "jobs.sql").read_text()
    backend.close()


JOB = "INSERT INTO headrace.jobs (id, due_at, enqueued_at, priority, state, queue, task, payload, key) VALUES"
ONE = f"{JOB} ('01890000-0000-7000-8000-000000000001', 1, 1, 100, 'pending', 'q', 'work', '{{}}', 'k');"
HELD = f"{ONE} INSERT INTO headrace.keys (queue, key, job_id) SELECT queue, key, id FROM headrace.jobs;"


@pytest.fixture
def store(postgres_server: Postgres, fresh_postgres: str) -> Callable[[str], str]:
    """What is found wrong with a store after this SQL."""
    from headrace.storage.postgres import PostgresStorage
    from headrace.storage.postgres.settings import read_url

    async def make() -> None:
        storage = PostgresStorage(read_url(fresh_postgres, fresh_postgres))
        await storage.open()
        await storage.close()

    asyncio.run(make())
    database = fresh_postgres.rpartition("/")[2]

    def damage(sql: str) -> str:
        postgres_server.run_sql(sql, database)
        return find_damage(postgres_server, database)

    return damage


def test_a_store_in_order_is_whole(store: Callable[[str], str]) -> None:
    assert store("") == "ok"
    assert store(HELD) == "ok"


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (f"{HELD} UPDATE headrace.jobs SET state = 'completed'", "a final state without an end"),
        (f"{HELD} UPDATE headrace.jobs SET state = 'dead', finished_at = 9", "a key that no job can give up"),
        (f"{HELD} DELETE FROM headrace.jobs", "a key that no job can give up any more: q k"),
        (f"{HELD} DELETE FROM headrace.keys", "a job without the key"),
        (f"{HELD} UPDATE headrace.jobs SET state = 'running', worker = 'w'", "a running job of nobody"),
        (f"{HELD} UPDATE headrace.jobs SET attempt = 2, generation = 1", "more attempts than claims"),
        (
            "UPDATE pg_index SET indisready = false WHERE indexrelid = 'headrace.jobs_pending'::regclass;"
            f"{HELD} UPDATE pg_index SET indisready = true WHERE indexrelid = 'headrace.jobs_pending'::regclass",
            "lacks matching index tuple",
        ),
    ],
)
def test_what_is_wrong_is_told(store: Callable[[str], str], sql: str, found: str) -> None:
    assert found in store(sql)
