"""The shipped roles: each can do what it is for, and nothing else."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from later_versions import NEXT, next_storage, opened, steps, storage

from headrace import Headrace
from headrace.model.change import Change, In, Patch
from headrace.model.errors import NotPermitted, StoreMoved
from headrace.model.mark import Mark, Role
from headrace.model.record import Expect, Put
from headrace.model.state import FINAL, State
from headrace.model.timeline import Entry
from headrace.storage.contract import Demand, Filter, Keep
from headrace.testing.servers.databases import Postgres
from postgres_roles import apply_roles, roles

Urls = Mapping[str, str]


@pytest.fixture
def urls(fresh_postgres: str, postgres_server: Postgres) -> Iterator[Urls]:
    """Users of each role, on a store of this version."""
    with Headrace(fresh_postgres) as owner:
        owner.enqueue("old")
    with roles(postgres_server, fresh_postgres) as found:
        yield {"owner": fresh_postgres, **found}


def shop(url: str) -> tuple[Headrace, Any]:
    app = Headrace(url)

    @app.task(queue="work")
    def add(one: int, other: int) -> int:
        return one + other

    return app, add


def test_a_producer_enqueues_in_every_way_and_reads_what_came_of_it(urls: Urls) -> None:
    app, add = shop(urls["producer"])
    with app:
        receipt = add.enqueue(1, 2)
        for held in ({"until": "claimed"}, {"until": "finished"}, {"for_": "5m"}):
            first = add.using(key=str(held), **held).enqueue(1, 1)
            again = add.using(key=str(held), **held).enqueue(1, 1)
            assert (again.id, again.duplicate) == (first.id, True)
        add.using(delay="1h", kv={"seen": 1}).enqueue(2, 2)
        app.enqueue_many([add.using(kv={"seen": 2}).call(2, 2), add.call(3, 3)])
        assert app.kv_get("seen") == 2
        app.kv_delete("seen")
        assert app.kv_get("seen") is None
        works, _ = shop(urls["worker"])
        with works:
            works.run(until_idle=True)
        assert app.result(receipt.id, timeout=5) == 3
        assert app.job(receipt.id).state is State.COMPLETED


def test_a_producer_can_change_no_job_and_nothing_of_the_workers(urls: Urls) -> None:
    async def course() -> None:
        async with opened(storage(urls["producer"])) as producer:
            counts = await producer.count()
            job = (await producer.find(Filter(), limit=1)).jobs[0]
            changes = [Change(job.id, In(frozenset(State)), Patch(state=State.CANCELLED, reason="x"))]
            for call in (
                producer.apply(changes),
                producer.delete([job.id]),
                producer.prune({state: Keep(0, 0) for state in FINAL}, 10),
                producer.beat("worker", (), 30),
                producer.claim("worker", [Demand("default", 1)]),
                producer.leases(),
                producer.record([Entry("id", "kind", "queue", 1, "{}")]),
            ):
                with pytest.raises(NotPermitted, match="permission denied for table"):
                    await call
            assert await producer.count() == counts
            assert await producer.put([Put("kv", "name", "1", Expect.ABSENT)]) == [True]
        with pytest.raises(NotPermitted):
            await next_storage(urls["producer"], auto_migrate=True).open()

    asyncio.run(course())


def test_only_an_admin_changes_the_schema_and_the_others_go_on(
    urls: Urls, fresh_postgres: str, postgres_server: Postgres
) -> None:
    async def course() -> None:
        for role in ("worker", "producer", "reader"):
            with pytest.raises(NotPermitted, match="can't migrate schema 'headrace'"):
                await next_storage(urls[role], auto_migrate=True).open()
        assert await steps(fresh_postgres) == [(1, False)]
        async with opened(storage(urls["worker"])) as worker:
            await worker.beat("worker", (), 60)
            async with opened(next_storage(urls["admin"], auto_migrate=True)) as admin:
                assert await admin.migrate(post=True) == max(NEXT).number
            assert len(await worker.claim("worker", [Demand("default", 1)])) == 1
        apply_roles(postgres_server, fresh_postgres)
        async with opened(next_storage(urls["worker"])) as worker:
            assert sum((await worker.count()).values()) == 1
            assert await worker.migrate(post=True) == max(NEXT).number  # there is nothing to do

    asyncio.run(course())


def test_a_reader_reads_and_no_more(urls: Urls) -> None:
    async def course() -> None:
        async with opened(storage(urls["reader"])) as reader:
            job = (await reader.find(Filter(), limit=1)).jobs[0]
            assert await reader.get([job.id]) == [job]
            assert await reader.leases() == {}
            assert await reader.records("queue") == []
            assert await reader.next_due(["default"]) == 0
            with pytest.raises(NotPermitted):
                await reader.put([Put("kv", "name", "1")])
            with pytest.raises(NotPermitted):
                await reader.delete([job.id])

    asyncio.run(course())
    with Headrace(urls["reader"]) as app, pytest.raises(NotPermitted, match="permission denied for table jobs"):
        app.enqueue("something")


def test_roles_are_repeated_and_kept_apart_by_schema(
    urls: Urls, fresh_postgres: str, postgres_server: Postgres
) -> None:
    apply_roles(postgres_server, fresh_postgres)
    with Headrace(f"{fresh_postgres}?schema=other") as owner:
        owner.enqueue("old")
    with Headrace(f"{urls['worker']}?schema=other") as app, pytest.raises(NotPermitted, match="schema other"):
        app.pending_count()
    apply_roles(postgres_server, fresh_postgres, "other")
    with Headrace(f"{urls['worker']}?schema=other") as app:
        assert app.pending_count() == 1
    with Headrace(urls["worker"]) as app:
        assert app.pending_count() == 1


def test_what_an_older_file_gave_is_taken_back(urls: Urls, fresh_postgres: str, postgres_server: Postgres) -> None:
    database = urlsplit(fresh_postgres).path[1:]
    postgres_server.run_sql(f"GRANT UPDATE (payload), DELETE ON headrace.jobs TO producer_{database}", database)
    apply_roles(postgres_server, fresh_postgres)
    left = postgres_server.run_sql(
        "SELECT privilege_type FROM information_schema.column_privileges WHERE table_name = 'jobs' "
        f"AND grantee = 'producer_{database}' AND privilege_type = 'UPDATE' UNION "
        "SELECT privilege_type FROM information_schema.table_privileges WHERE table_name = 'jobs' "
        f"AND grantee = 'producer_{database}' AND privilege_type = 'DELETE'",
        database,
    )
    assert left == ""


def test_an_owner_who_is_no_superuser_can_do_it_all(fresh_postgres: str, postgres_server: Postgres) -> None:
    database = urlsplit(fresh_postgres).path[1:]
    boss = f"boss_{database}"
    postgres_server.run_sql(f"CREATE ROLE {boss} LOGIN CREATEROLE PASSWORD 'geheim'")
    postgres_server.run_sql(f"ALTER DATABASE {database} OWNER TO {boss}")
    theirs = postgres_server.url(database, boss, "geheim")
    try:
        with Headrace(theirs) as owner:
            owner.enqueue("old")
        with roles(postgres_server, theirs, owner=Postgres(theirs)) as found, Headrace(found["worker"]) as app:
            assert app.pending_count() == 1
    finally:
        postgres_server.run_sql(f"REASSIGN OWNED BY {boss} TO CURRENT_USER; DROP OWNED BY {boss}", database)
        postgres_server.run_sql(f"DROP ROLE {boss}")


def test_only_the_owner_moves_a_store_and_all_others_are_stopped(urls: Urls) -> None:
    mark = Mark(Role.SOURCE, "elsewhere", "m")

    async def move() -> None:
        for role in ("worker", "producer", "reader"):
            async with opened(storage(urls[role])) as other:
                with pytest.raises(NotPermitted):
                    await other.mark(mark)
        async with opened(storage(urls["admin"])) as owner:
            await owner.mark(mark)
            for role in ("worker", "producer"):
                async with opened(storage(urls[role])) as other:
                    assert await other.marked() == mark
                    with pytest.raises(StoreMoved):
                        await other.put([Put("kv", "x", "1")])
            await owner.mark(None)

    asyncio.run(move())
