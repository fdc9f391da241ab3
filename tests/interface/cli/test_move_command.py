"""``headrace move``: what it says, what it refuses, and how it ends."""

import asyncio
import sqlite3
from collections.abc import Callable

import pytest
from shell import Shell

from headrace import Headrace
from headrace.interface.cli.progress import Carried
from headrace.model.mark import Mark, Role
from headrace.storage.contract import Storage
from headrace.storage.sqlite import SqliteStorage
from headrace.system.clock import ManualClock
from headrace.testing.servers.databases import Postgres

OLD, NEW = "sqlite:///jobs.db", "sqlite:///new.db"


@pytest.fixture
def filled(shell: Shell) -> Shell:
    with Headrace(OLD) as app:
        for number in range(3):
            app.enqueue("send", {"to": f"{number}"}, key=f"k{number}")
        app.enqueue("later", delay="1h", kv={"seen": 1})
        app.queue("email", concurrency=3)
        app.pause("email")
    return shell


def on(url: str, do: Callable[[Storage], object]) -> None:
    """Something with the storage itself."""

    async def run() -> None:
        storage = SqliteStorage(url.removeprefix("sqlite:///"))
        await storage.open()
        await do(storage)  # type: ignore[misc]
        await storage.close()

    asyncio.run(run())


def test_it_tells_what_was_moved(filled: Shell) -> None:
    ran = filled("move", OLD, NEW)
    assert ran.code == 0, ran.err
    assert "4 jobs: 3 pending, 1 scheduled\n3 held keys\n2 records: 1 kv, 1 queue\n" in ran.out
    assert f"sqlite:///{filled.folder}/jobs.db was moved to sqlite:///{filled.folder}/new.db: 9 rows" in ran.out
    assert filled("stats", "--storage", NEW, "--json").json == filled("stats", "--storage", OLD, "--json").json
    assert "paused" in filled("queues", "--storage", NEW).out
    again = filled("move", OLD, NEW)
    assert (again.code, "nothing is left to be done" in again.out) == (0, True)


def test_as_json(filled: Shell) -> None:
    report = filled("move", OLD, NEW, "--json").json
    assert (report["from"], report["to"]) == tuple(f"sqlite:///{filled.folder}/{name}.db" for name in ("jobs", "new"))
    assert (report["began_at"], report["rows_carried"]) == ("begin", 9)
    assert report["rows"] == {
        "jobs": {"pending": 3, "scheduled": 1},
        "keys": 3,
        "records": {"kv": 1, "queue": 1},
        "timeline": {},
    }
    assert filled("move", OLD, NEW, "--json").json["rows"] is None


def test_an_app_is_named_as_in_other_commands(filled: Shell) -> None:
    assert filled("move", "shop:app", NEW).code == 0
    assert filled("enqueue", "shop:app", "send", '{"to":"a"}').code == 4


def test_the_old_store_names_the_new_one(filled: Shell) -> None:
    filled("move", OLD, NEW)
    ran = filled("enqueue", "--storage", OLD, "send")
    assert ran.code == 4
    assert f"was moved to sqlite:///{filled.folder}/new.db, and takes nothing any more" in ran.err
    assert filled("jobs", "--storage", OLD).code == 0
    assert "warning: it was moved to sqlite:///" in filled("doctor", "--storage", OLD).out
    with sqlite3.connect(filled.folder / "jobs.db") as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE jobs SET priority = 1")


@pytest.mark.parametrize("new", ["hybrid:///{relative}new.snap", "file:///{absolute}new"])
def test_a_new_store_of_one_process_is_named_by_the_url_that_leads_there(filled: Shell, new: str) -> None:
    folder = f"{filled.folder}/".removeprefix("/")
    assert filled("move", OLD, new.format(relative="", absolute=folder)).code == 0
    named = new.format(relative=f"/{folder}", absolute=folder)
    assert f"was moved to {named}, and takes nothing any more" in filled("enqueue", "--storage", OLD, "send").err
    assert filled("stats", "--storage", named).code == 0


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        ([OLD], 2, "move takes two stores"),
        ([OLD, OLD], 2, "can't be moved into itself"),
        ([OLD, "sqlite:///./jobs.db"], 2, "can't be moved into itself"),
        ([OLD, "memory:"], 2, "memory: keeps jobs inside the process"),
        (["memory:", NEW], 2, "memory: keeps jobs inside the process"),
        (["sqlite:///missing.db", NEW], 4, "there is no such file"),
        ([OLD, "nonsense://x"], 2, "no storage for 'nonsense://x'"),
        (["--undo", OLD, NEW], 2, "--undo takes one store"),
        (["--undo", OLD, "--yes"], 1, "is not marked: it was not moved"),
    ],
)
def test_what_makes_no_sense(filled: Shell, words: list[str], code: int, why: str) -> None:
    ran = filled("move", *words)
    assert (ran.code, why in ran.err) == (code, True), ran.err
    assert filled("enqueue", "--storage", OLD, "send").code == 0


def test_a_link_to_the_same_file_is_the_same_store(filled: Shell) -> None:
    (filled.folder / "link.db").symlink_to(filled.folder / "jobs.db")
    assert filled("move", OLD, "sqlite:///link.db").code == 2


def test_a_store_with_jobs_is_no_target(filled: Shell) -> None:
    with Headrace(NEW) as app:
        app.enqueue("other")
    ran = filled("move", OLD, NEW)
    assert (ran.code, "is not empty: name a store that is" in ran.err) == (1, True)
    assert filled("enqueue", "--storage", OLD, "send").code == 0


def test_workers_are_stopped_first_or_cut_off(filled: Shell) -> None:
    on(OLD, lambda storage: storage.beat("w", [], 60.0))
    ran = filled("move", OLD, NEW)
    assert (ran.code, "stop them first, or go on with --force" in ran.err) == (1, True)
    assert filled("move", OLD, NEW, "--force").code == 0


def test_a_newer_schema_is_refused(filled: Shell) -> None:
    with sqlite3.connect(filled.folder / "jobs.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    ran = filled("move", OLD, NEW)
    assert (ran.code, "upgrade headrace" in ran.err) == (3, True)


def test_undone_the_old_store_is_used_again(filled: Shell) -> None:
    filled("move", OLD, NEW)
    look = filled("move", "--undo", OLD)
    assert (look.code, "would be taken back into use" in look.out, "--yes" in look.err) == (2, True, True)
    assert filled("enqueue", "--storage", OLD, "send").code == 4
    ran = filled("move", "--undo", OLD, "--yes")
    assert (ran.code, "is in use again; remove sqlite:///" in ran.out) == (0, True)
    assert filled("enqueue", "--storage", OLD, "send").code == 0
    assert filled("move", "--undo", OLD).code == 2


def test_a_half_filled_store_is_not_taken_into_use(filled: Shell) -> None:
    on(NEW, lambda storage: storage.mark(Mark(Role.TARGET, "sqlite:///elsewhere.db", "m")))
    assert "is being filled from sqlite:///elsewhere.db" in filled("move", OLD, NEW).err
    assert filled("enqueue", "--storage", NEW, "send").code == 4
    assert filled("move", "--undo", NEW, "--yes").code == 0
    assert filled("move", OLD, NEW).code == 0


def test_elsewhere_than_on_a_terminal_progress_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    with Carried(20_000, clock) as progress:
        for rows in (4_000, 8_000, 12_000):
            clock.advance(4)
            progress.tell(rows)
    assert capsys.readouterr().err == "headrace: moved 8,000 rows, of a store of 20,000 jobs, 1,000 rows/s\n"


def test_no_commit_is_left_to_chance(filled: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the URL says that a power cut may take the last ones, the one that ends a move must not be among them."""
    opened: list[str] = []
    begin = SqliteStorage.open

    async def open_and_tell(storage: SqliteStorage) -> None:
        opened.append(storage._durability)
        await begin(storage)

    monkeypatch.setattr(SqliteStorage, "open", open_and_tell)
    assert filled("move", f"{OLD}?durability=normal", f"{NEW}?durability=normal&filesystem=unchecked").code == 0
    assert set(opened) == {"full"}


def test_no_password_is_told(shell: Shell, postgres_server: Postgres, fresh_postgres: str) -> None:
    name = fresh_postgres.rpartition("/")[2]
    postgres_server.run_sql(f"CREATE ROLE mover_{name} LOGIN SUPERUSER PASSWORD 'geheim'")
    url = postgres_server.url(name, user=f"mover_{name}", password="geheim")
    with Headrace(OLD) as app:
        app.enqueue("send")
    try:
        runs = [shell("move", OLD, url), shell("enqueue", "--storage", OLD, "send"), shell("move", "--undo", OLD)]
        assert [ran.code for ran in runs] == [0, 4, 2]
        assert not [ran for ran in runs if "geheim" in ran.out + ran.err]
        with sqlite3.connect(shell.folder / "jobs.db") as connection:
            assert "geheim" not in "\n".join(connection.iterdump())
    finally:
        postgres_server.run_sql(f"REASSIGN OWNED BY mover_{name} TO CURRENT_USER", name)
        postgres_server.run_sql(f"DROP ROLE mover_{name}")


def test_into_a_schema_that_is_not_there_yet(filled: Shell, fresh_postgres: str) -> None:
    assert filled("move", OLD, f"{fresh_postgres}?schema=shop").code == 0
    assert "?schema=shop" in filled("enqueue", "--storage", OLD, "send").err
    assert filled("move", f"{fresh_postgres}?schema=shop", f"{fresh_postgres}?schema=other").code == 0
    ran = filled("move", f"{fresh_postgres}?schema=missing", NEW)
    assert (ran.code, "it has no schema missing" in ran.err) == (4, True)
