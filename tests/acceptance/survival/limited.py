"""A worker whose task has a limit, and who writes down every change of the bucket: ``python -m survival.limited``."""

import asyncio
import itertools
import os
import time
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from headrace import Headrace, Throttled, acquire, acquire_sync, current
from headrace.model.rate import Bucket, parse_rate
from headrace.model.record import LIMIT
from survival import ledger
from survival.ledger import Ledger

RATE, BURST, SLOTS = "200/s", 40, 10

app = Headrace(lease="2s", poll="500ms", reap="400ms", crash_budget=1000)
app.limit("upstream", rate=RATE, burst=BURST)


@cache
def effects() -> Ledger:
    """Those who import this module only read what others wrote."""
    return Ledger(os.environ["SURVIVAL_EFFECTS"])


def trace(kind: str, number: int) -> None:
    effects().write(kind, job=current().job.id, number=number, pid=os.getpid(), at=time.monotonic())


@app.task(name="call", queue="calls", limits=["upstream"])
async def call(number: int) -> None:
    trace("start", number)
    await asyncio.sleep(number % 5 / 1000)


@app.task(name="refused", queue="calls", limits=["upstream"])
async def refused(number: int) -> None:
    trace("start", number)
    if number == 0 and current().fence == 1:
        effects().write("throttled", at=time.monotonic())
        raise Throttled(2, limit="upstream")


@app.task(name="acquires", queue="acquiring")
async def acquires(number: int) -> None:
    await acquire("upstream")
    trace("start", number)


@app.task(name="acquires_in_thread", queue="acquiring")
def acquires_in_thread(number: int) -> None:
    acquire_sync("upstream")
    trace("start", number)


@app.task(name="sleeps", queue="slow")
async def sleeps(number: int) -> None:
    await asyncio.sleep(0.5)


@app.on_worker_start
async def begin() -> None:
    write_permits_down((await app.here()).storage)
    Ledger(os.environ["SURVIVAL_EFFECTS"] + "-up").write("up", pid=os.getpid())


def write_permits_down(storage: Any) -> None:
    """Each change of a bucket: before it is tried, and what came of it."""
    put, numbers = storage.put, itertools.count()

    async def noted(puts: Any) -> Any:
        tried = [
            (next(numbers), at, one) for at, one in enumerate(puts) if one.kind == LIMIT and one.expect != "absent"
        ]
        for number, _, one in tried:
            effects().write("tried", pid=os.getpid(), number=number, version=one.expect + 1, value=one.value)
        done = await put(puts)
        for number, at, _ in tried:
            effects().write("answered", pid=os.getpid(), number=number, done=done[at])
        return done

    storage.put = noted


def buckets(path: Path) -> list[Bucket]:
    """The states of the bucket in order, from what all processes wrote. A try without an answer is one whose process
    was killed: it was done where no other has its version."""
    records = ledger.read(path)
    answers = {(each["pid"], each["number"]): each["done"] for each in records if each["kind"] == "answered"}
    states: dict[int, str] = {}
    unanswered: dict[int, str] = {}
    for each in records:
        if each["kind"] == "tried":
            done = answers.get((each["pid"], each["number"]))
            if done is not False:
                (unanswered if done is None else states)[each["version"]] = each["value"]
    states = unanswered | states
    assert sorted(states) == list(range(2, len(states) + 2)), "every change was written down"
    return [msgspec.json.decode(states[version], type=Bucket) for version in sorted(states)]


def worst_window(states: list[Bucket]) -> float:
    """By how many permits the worst of all windows is over what rate and burst allow: zero or less is fine."""
    rate = parse_rate(RATE)
    worst, lowest, before = float("-inf"), float("inf"), 0
    for state in states:
        lowest = min(lowest, before * rate.period - rate.count * state.at)
        worst = max(worst, state.granted * rate.period - rate.count * state.at - lowest)
        before = state.granted
    return worst / rate.period - BURST


if __name__ == "__main__":
    app.run({"calls": SLOTS, "acquiring": SLOTS, "slow": SLOTS})
