"""Commands on stores that one process owns: hybrid, and object storage on a local disk."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from shell import Shell

from headrace.model.ownership import Owner
from headrace.storage.journal.shelf import Head
from headrace.storage.journal.storage import JournaledStorage
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock
from headrace.system.machine import host_name

CLOCK = SystemClock()
READS = (["stats"], ["jobs"], ["queues"], ["workers"], ["dead"], ["schedules"], ["doctor"])
WRITES = (["enqueue", "t"], ["queues", "pause", "default"])


@pytest.fixture(params=["hybrid", "file"])
def url(request: pytest.FixtureRequest, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a store that is not there yet, which every command is about."""
    url = "hybrid:///jobs.snap" if request.param == "hybrid" else f"file://{shell.folder}/store"
    monkeypatch.setenv("HEADRACE_URL", url)
    return url


def owner(**fields: object) -> Owner:
    """A process on another machine, which was seen just now."""
    now = CLOCK.wall()
    return replace(Owner("theirs", "elsewhere", "another boot", 77, 1, now - 60_000, now, 30.0), **fields)


def handle(url: str) -> JournaledStorage:
    storage = open_url(url, clock=CLOCK)
    assert isinstance(storage, JournaledStorage)
    return storage


def change_head(url: str, change: Callable[[Head], Head]) -> None:
    asyncio.run(_change_head(url, change))


async def _change_head(url: str, change: Callable[[Head], Head]) -> None:
    shelf = handle(url)._make()
    head = await shelf.look()
    assert head is not None
    assert await shelf.take(head, change(head))
    await shelf.close()


def give_to(url: str, whom: Owner) -> None:
    """From now on that process owns the store."""
    change_head(url, lambda head: replace(head, owner=whom))


def owner_of(url: str) -> Owner | None:
    standing = asyncio.run(handle(url).standing())
    assert standing is not None
    return standing.owner


def enqueued(shell: Shell) -> str:
    ran = shell("enqueue", "t")
    assert ran.code == 0, ran.err
    return ran.out.strip()


# --- while another process owns it -----------------------------------------------------------------------------------


def test_who_only_looks_sees_all_and_never_becomes_the_owner(shell: Shell, url: str) -> None:
    job_id = enqueued(shell)
    theirs = owner()
    give_to(url, theirs)
    for command in (*READS, ["show", job_id], ["why", job_id]):
        ran = shell(*command)
        assert ran.code == 0, ran.err
        assert owner_of(url) == theirs, command
    assert job_id in shell("jobs").out


def test_who_only_looks_owns_nothing_where_nobody_does(shell: Shell, url: str) -> None:
    job_id = enqueued(shell)
    for command in (*READS, ["show", job_id], ["why", job_id]):
        assert shell(*command).code == 0
        assert owner_of(url) is None, command


def test_who_would_write_ends_with_4_and_is_told_what_to_do(shell: Shell, url: str) -> None:
    job_id = enqueued(shell)
    theirs = owner()
    give_to(url, theirs)
    for command in (*WRITES, ["cancel", job_id]):
        ran = shell(*command)
        assert ran.code == 4, command
        assert "is owned by process 77 on elsewhere since" in ran.err
        assert "do it in that process, or stop that one first, or take the store from it with ?takeover=1" in ran.err
        assert len(ran.err.splitlines()) == 1
    assert owner_of(url) == theirs
    assert shell("show", job_id, "--json").json["state"] == "pending"


def test_a_takeover_is_asked_for_in_the_url(shell: Shell, url: str) -> None:
    enqueued(shell)
    give_to(url, owner())
    assert shell("enqueue", "t", "--storage", f"{url}?takeover=1").code == 0
    assert owner_of(url) is None, "the command is done, and has left"


# --- doctor ----------------------------------------------------------------------------------------------------------


def test_doctor_tells_who_owns_it_and_that_it_lives(shell: Shell, url: str) -> None:
    enqueued(shell)
    give_to(url, owner(seen=CLOCK.wall() - 5_000))
    report = shell("doctor", "--json").json
    assert report["owner"] == "process 77 on elsewhere"
    assert report["owner_since"].endswith("Z")
    assert " s ago" in report["owner_seen"]
    assert report["owner_state"] == "alive"
    assert (report["format"], report["entries"], report["jobs"], report["error"]) == (1, 1, 1, None)
    assert report["bytes"] > 50


@pytest.mark.parametrize(
    "gone",
    [
        {"seen": CLOCK.wall() - 31_000},
        {"host": host_name(), "boot_id": CLOCK.boot_id(), "pid": 2**22 + 1},
    ],
    ids=["its lease has run out", "it ran here and is gone"],
)
def test_doctor_tells_that_an_owner_is_gone(shell: Shell, url: str, gone: dict[str, object]) -> None:
    enqueued(shell)
    give_to(url, owner(**gone))
    assert shell("doctor", "--json").json["owner_state"].startswith("stale: whoever writes next")
    enqueued(shell)
    assert owner_of(url) is None


def test_doctor_of_a_store_that_nobody_owns(shell: Shell, url: str) -> None:
    enqueued(shell)
    report = shell("doctor", "--json").json
    assert not [name for name in report if name.startswith("owner")]
    assert "schema" not in report
    assert report["promise"].startswith("An acknowledged job survives the failure of a handler")
    about_power = [text for text in report["warnings"] if "a loss of power may take jobs" in text]
    assert bool(about_power) == url.startswith("file:")
    assert not [text for text in report["warnings"] if "mode" in text]


def test_doctor_makes_no_store_and_others_refuse_one_that_is_not_there(shell: Shell, url: str) -> None:
    report = shell("doctor", "--json").json
    assert any("is not there yet: the first enqueue or worker makes it" in text for text in report["warnings"])
    for command in (["stats"], ["jobs"], ["queues"], ["cancel", "01890a5d-ac96-774b-bcce-b302099a8057"]):
        ran = shell(*command)
        assert ran.code == 4, command
        assert "there is no s" in ran.err
    assert sorted(os.listdir(shell.folder)) == ["shop.py"]


def test_doctor_warns_where_others_can_read_it(shell: Shell, url: str) -> None:
    enqueued(shell)
    place = shell.folder / ("jobs.snap" if url.startswith("hybrid") else "store")
    assert place.stat().st_mode & 0o077 == 0
    place.chmod(0o755)
    assert any("has mode 0755: other users" in text for text in shell("doctor", "--json").json["warnings"])


# --- stores that can't be used ---------------------------------------------------------------------------------------


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and "shop" not in str(path)}


def data_of(folder: Path) -> list[Path]:
    """The files that hold what was written."""
    return [path for path in folder.rglob("*") if path.suffix in (".snap", ".sst")]


@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_a_damaged_store_is_4_says_what_is_wrong_and_stays_as_it_is(shell: Shell, url: str, how: str) -> None:
    enqueued(shell)
    for file in data_of(shell.folder):
        data = file.read_bytes()
        file.write_bytes(data[: len(data) // 2] if how == "cut" else bytes(255 - byte for byte in data))
    before = all_bytes(shell.folder)
    for command in (["doctor"], ["stats"], ["enqueue", "t"]):
        ran = shell(*command)
        assert ran.code == 4, ran.out + ran.err
        told = ("damaged or no headrace store", "belongs to another program", "often a file that was cut short")
        assert any(words in ran.err for words in told), ran.err
        assert "Traceback" not in ran.err
    after = all_bytes(shell.folder)
    assert {name: after.get(name) for name in before} == before


def test_an_entry_that_is_missing_or_altered_is_named(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_URL", "hybrid:///jobs.snap")
    enqueued(shell)
    enqueued(shell)
    with closing(sqlite3.connect(shell.folder / "jobs.snap")) as connection:
        connection.execute("UPDATE entries SET data = zeroblob(length(data)) WHERE number = 2")
        connection.commit()
        assert "entry 2 of its journal is not what was written" in shell("doctor").err
        connection.execute("DELETE FROM entries WHERE number = 1")
        connection.commit()
    ran = shell("doctor")
    assert (ran.code, "of its entries 1 to 2 not all are there" in ran.err) == (4, True)


def test_a_store_of_a_newer_version_is_3(shell: Shell, url: str) -> None:
    enqueued(shell)
    change_head(url, lambda head: replace(head, format=99))
    for command in (["doctor"], ["stats"], ["enqueue", "t"]):
        ran = shell(*command)
        assert ran.code == 3, command
        assert "has schema 99" in ran.err
    assert shell("doctor", "--json").json["format"] == 99


def test_a_store_of_another_kind_is_refused(shell: Shell) -> None:
    assert shell("enqueue", "t", "--storage", "sqlite:///jobs.db").code == 0
    ran = shell("doctor", "--storage", "hybrid:///jobs.db")
    assert (ran.code, "it is a store of sqlite:///" in ran.err) == (4, True)
    assert shell("enqueue", "t", "--storage", "hybrid:///jobs.snap").code == 0
    ran = shell("doctor", "--storage", "sqlite:///jobs.snap")
    assert (ran.code, "belongs to another program" in ran.err) == (4, True)
    ran = shell("stats", "--storage", f"file://{shell.folder}")
    assert (ran.code, "which is none of ours" in ran.err) == (4, True)
