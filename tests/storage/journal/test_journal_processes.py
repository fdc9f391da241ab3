"""Several real processes on one store: kills, freezes, races, forks, programs that close nothing."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from headrace.model.errors import StoreOwned, WrongLoop
from headrace.storage.contract import Storage
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock
from headrace.system.machine import host_name
from other_process import Other, Refused, obey

T = TypeVar("T")
URLs = Callable[..., str]
KINDS = ["hybrid", "file"]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> URLs:
    """URLs of one store, with options."""

    def make(**options: str) -> str:
        beginning = f"hybrid:///{tmp_path}/jobs.snap" if request.param == "hybrid" else f"file://{tmp_path}/jobs"
        if request.param == "hybrid":
            options = {"interval": "50ms"} | options
        return f"{beginning}?{'&'.join(f'{name}={value}' for name, value in options.items())}"

    return make


def here(url: str, *commands: str) -> Sequence[str]:
    """What the last of these commands gives in a handle of this process, which is closed then."""

    async def run() -> Sequence[str]:
        storage = open_url(url, clock=SystemClock(), patience=20.0)
        await storage.open()
        try:
            for command in commands:
                answer: Sequence[str] = await obey(storage, *_split(command))
            return answer
        finally:
            await storage.close()

    return asyncio.run(run())


def _split(command: str) -> tuple[str, int]:
    name, _, number = command.partition(" ")
    return name, int(number or 1)


def until_seen(url: str, ids: set[str]) -> None:
    """All of these have been written."""

    async def look() -> None:
        storage = open_url(url, clock=SystemClock(), patience=20.0)
        await storage.open()
        async with asyncio.timeout(20):
            while not ids <= set(await obey(storage, "ids", 1)):
                await SystemClock().sleep(0.05)
        await storage.close()

    asyncio.run(look())


def test_a_killed_owner_is_taken_over_at_once_and_nothing_is_lost(url: URLs) -> None:
    with Other(url(lease="1h")) as owner:
        kept = {*owner.ask("insert", 5), *owner.ask("insert", 5)}
        claimed = owner.ask("claim", 3)
        until_seen(url(), kept)
        owner.kill()
        assert set(here(url(), "insert", "ids")) > kept
        assert len(claimed) == 3


def test_a_living_owner_refuses_what_others_write_and_lets_them_read(url: URLs) -> None:
    with Other(url()) as owner:
        kept = set(owner.ask("insert", 3))
        until_seen(url(), kept)
        with pytest.raises(StoreOwned, match=f"owned by process {owner.pid} on {host_name()} since 2"):
            here(url(), "insert")
        assert set(here(url(), "ids")) == kept
        assert len(owner.ask("insert", 2)) == 2
        assert owner.ask("close") == []
        assert set(here(url(), "insert", "ids")) > kept


def test_a_frozen_owner_is_taken_over_after_its_lease_and_acknowledges_nothing_then(url: URLs) -> None:
    with Other(url(lease="1s")) as owner, Other(url(lease="1s")) as other:
        kept = set(owner.ask("insert", 3))
        until_seen(url(), kept)
        owner.send(signal.SIGSTOP)
        while (refused := other.refusal("insert")) is not None:
            assert refused.name == "StoreOwned"
        kept = set(other.ask("ids"))
        owner.send(signal.SIGCONT)
        for command in ("insert", "ids", "claim", "insert"):
            refused = owner.refusal(command)
            assert refused is not None
            assert f"owned by process {other.pid} on" in refused.text
        assert set(other.ask("ids")) == kept
        assert len(other.ask("insert")) == 1


def test_takeover_does_not_wait_for_the_lease(url: URLs) -> None:
    with Other(url()) as owner, Other(url(takeover="1")) as other:
        kept = set(owner.ask("insert", 3))
        until_seen(url(), kept)
        assert len(other.ask("insert")) == 1
        refused = owner.refusal("insert", 1000)  # of hybrid, it learns of it at its next write
        assert refused is not None
        assert f"owned by process {other.pid} on" in refused.text
        assert set(other.ask("ids")) > kept


def test_a_program_that_closes_nothing_loses_nothing_when_it_ends(url: URLs) -> None:
    interval = {"interval": "1h"} if "hybrid" in url() else {}
    with Other(url(lease="1h", **interval)) as owner:
        kept = set(owner.ask("insert", 7))
        assert owner.end() == 0
    assert set(here(url(), "ids")) == kept
    with Other(url()) as other:
        assert len(other.ask("insert")) == 1


@pytest.mark.parametrize("attempt", range(2))
def test_of_two_that_come_at_once_one_becomes_the_owner_and_stays_it(url: URLs, attempt: int) -> None:
    with Other(url()) as first, Other(url()) as second:
        for one in (first, second):
            one.begin("insert", 2)
        told: list[tuple[Other, Sequence[str] | None]] = []
        reasons: list[str] = []
        for one in (first, second):
            try:
                told.append((one, one.finish()))
            except Refused as refused:
                told.append((one, None))
                reasons.append(refused.name)
        winners = [(one, ids) for one, ids in told if ids is not None]
        assert (len(winners), reasons) == (1, ["StoreOwned"])
        owner, kept = winners[0]
        for _ in range(5):
            kept = [*kept, *owner.ask("insert")]
        assert set(owner.ask("ids")) == set(kept)


def test_a_fork_is_told_and_harms_nothing(url: URLs) -> None:
    async def run() -> None:
        storage = open_url(url(), clock=SystemClock(), patience=20.0)
        await storage.open()
        kept = await obey(storage, "insert", 3)
        told, tell = os.pipe()
        child = os.fork()  # noqa: TID251 - the fork is the subject
        if child == 0:
            status = 9
            try:
                status = asyncio.new_event_loop().run_until_complete(_as_child(storage, url()))
            finally:
                os.write(tell, bytes([status]))
                os._exit(0)
        assert await asyncio.get_running_loop().run_in_executor(None, os.read, told, 1) == b"\x00"
        os.waitpid(child, 0)  # noqa: ASYNC222 - it has ended
        os.close(told)
        os.close(tell)
        await obey(storage, "insert", 1)
        assert len(await obey(storage, "ids", 1)) == len(kept) + 1
        await storage.close()

    asyncio.run(run())


async def _as_child(storage: Storage, url: str) -> int:
    asyncio.events._set_running_loop(asyncio.get_running_loop())
    try:
        await storage.count()
    except WrongLoop:
        pass
    else:
        return 1
    await storage.close()
    if "hybrid" not in url:
        return 0  # SlateDB starts no threads in a fork
    own = open_url(url, clock=SystemClock(), patience=20.0)
    await own.open()
    try:
        await obey(own, "insert", 1)
    except StoreOwned as error:
        return 0 if error.pid == os.getppid() else 2
    finally:
        await own.close()
    return 3
