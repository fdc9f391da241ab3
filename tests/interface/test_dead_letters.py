"""Dead jobs: one, many, or all that are meant, while others change them. On memory and on SQLite."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from headrace import Headrace, PermanentFailure, RetryPolicy, State
from headrace.interface import deadletters
from headrace.interface.deadletters import Retried
from headrace.model.errors import InvalidDelay, InvalidName, InvalidOption

pytestmark = pytest.mark.anyio


async def die(app: Headrace, *what: str, **using: Any) -> list[str]:
    """Jobs that are dead: of a ValueError that tells ``what``, or permanently where it tells "never"."""

    @app.task(name=f"fails.{len(app.registry.all())}", retry=RetryPolicy.none())
    async def fails(what: str) -> None:
        raise PermanentFailure(what) if what == "never" else ValueError(what)

    receipts = await app.aenqueue_many([fails.using(**using).call(text) for text in what])
    async with app.worker({"default": 50, "other": 4}) as worker:
        await worker.idle()
    return [receipt.id for receipt in receipts]


async def states(app: Headrace, ids: list[str]) -> list[State | None]:
    jobs = [await app.ajob(job_id) for job_id in ids]
    return [None if job is None else job.state for job in jobs]


def ids_of(jobs: Any) -> list[str]:
    return [job.id for job in jobs]


async def test_they_are_chosen_by_queue_task_reason_and_error(app: Headrace) -> None:
    no, never, none = await die(app, "no such order", "never", "none left")
    (other,) = await die(app, "no such order", queue="other")
    chosen: list[tuple[dict[str, Any], list[str]]] = [
        ({}, [other, none, never, no]),
        ({"queue": "other"}, [other]),
        ({"task": "fails.0"}, [none, never, no]),
        ({"reason": "permanent"}, [never]),
        ({"reason": "exhausted", "queue": "default"}, [none, no]),
        ({"error": "ValueError"}, [other, none, no]),
        ({"error": "ValueError: no such", "task": "fails.0"}, [no]),
        ({"error": "KeyError"}, []),
        ({"reason": None, "error": None, "task": None, "finished_after": None}, [other, none, never, no]),
    ]
    for which, expected in chosen:
        page = await app.adead_letters(**which)
        assert (ids_of(page), page.next) == (expected, None)
    assert await app.aclear_dead_letters(reason="permanent") == 1
    assert await app.aretry_dead(error="ValueError: no such") == Retried(2, 0)
    assert await states(app, [no, never, none, other]) == [State.PENDING, None, State.DEAD, State.PENDING]
    await app.aclose()


async def test_they_are_chosen_by_when_they_died(app: Headrace) -> None:
    (early,) = await die(app, "early")
    await app.clock.sleep(0.05)
    (late,) = await die(app, "late")
    job = await app.ajob(late)
    assert job is not None
    assert job.finished_at is not None
    between = datetime.fromtimestamp(job.finished_at / 1000, UTC)
    assert ids_of(await app.adead_letters(finished_before=between)) == [early]
    assert ids_of(await app.adead_letters(finished_after=between)) == [late]
    assert ids_of(await app.adead_letters(finished_after="1h")) == [late, early]
    assert ids_of(await app.adead_letters(finished_before="1h")) == []
    assert await app.aclear_dead_letters(finished_before="1h") == 0
    assert (await app.aretry_dead(finished_after=between)).count == 1
    assert await states(app, [early, late]) == [State.DEAD, State.PENDING]
    await app.aclose()


async def test_pages_of_chosen_ones_join_without_gap_or_overlap(app: Headrace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadletters, "_FIRST_PAGE", 2)
    monkeypatch.setattr(deadletters, "_LARGEST", 3)
    ids = await die(app, *["a", "b", "never"] * 5)
    expected = [job_id for place, job_id in enumerate(ids) if place % 3 != 2][::-1]
    found: list[str] = []
    after = None
    while True:
        page = await app.adead_letters(error="ValueError", limit=4, after=after)
        found += ids_of(page)
        if page.next is None:
            break
        assert len(page) == 4
        after = page.next
    assert found == expected
    await app.aclose()


async def test_many_are_named_and_the_rest_stays(app: Headrace) -> None:
    ids = await die(app, *"abcdef")
    waiting = await app.aenqueue("later", {}, delay=60)
    assert await app.aretry_dead(jobs=[ids[0], ids[1], ids[0], waiting, app.ids.new()]) == Retried(2, 0)
    assert await app.aclear_dead_letters(jobs=[ids[1], ids[2], waiting]) == 1
    assert await app.aretry_dead(jobs=[ids[3]], error="KeyError") == Retried(0, 0)
    assert await app.aretry_dead(jobs=[]) == Retried(0, 0)
    assert await states(app, ids[:4]) == [State.PENDING, State.PENDING, None, State.DEAD]
    assert await states(app, [waiting.id]) == [State.SCHEDULED]
    await app.aclose()


async def test_at_most_so_many_go_newest_first_and_held_keys_are_counted(app: Headrace) -> None:
    ids = await die(app, *"abcdef")
    (keyed,) = await die(app, "g", key="k")
    holder = await app.aenqueue("later", {}, key="k", delay=60)
    assert await app.aretry_dead(limit=2) == Retried(2, 1)
    assert await states(app, [*ids, keyed]) == [State.DEAD] * 4 + [State.PENDING] * 2 + [State.DEAD]
    assert await app.aclear_dead_letters(limit=2) == 2
    assert await states(app, [*ids[:4], keyed]) == [State.DEAD] * 3 + [None, None]
    assert await states(app, [holder.id]) == [State.SCHEDULED]
    await app.aclose()


async def test_one_that_is_sent_back_while_others_are_cleared_is_not_lost(
    app: Headrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await die(app, *"abc")
    find = deadletters._pages

    async def slow(*args: Any) -> Any:
        async for jobs in find(*args):
            await app.aretry(ids[1])  # another operator, between the look and the removal
            yield jobs

    monkeypatch.setattr(deadletters, "_pages", slow)
    assert await app.aclear_dead_letters() == 2
    assert await states(app, ids) == [None, State.PENDING, None]
    await app.aclose()


async def test_senders_and_clearers_at_once_neither_lose_nor_double(app: Headrace) -> None:
    runs: dict[int, int] = {}

    @app.task(retry=RetryPolicy.none())
    async def second_time(n: int) -> None:
        runs[n] = runs.get(n, 0) + 1
        if runs[n] == 1:
            raise ValueError("first")

    receipts = await app.aenqueue_many([second_time.call(n) for n in range(600)])
    async with app.worker({"default": 20}) as worker:
        await worker.idle()
        retried = await asyncio.gather(*[app.aretry_dead(error="ValueError") for _ in range(3)])
        await worker.idle()
    assert sum(one.count for one in retried) == 600
    assert set(runs.values()) == {2}
    assert set(await states(app, [receipt.id for receipt in receipts])) == {State.COMPLETED}

    ids = await die(app, *["again"] * 600)
    answers = await asyncio.gather(app.aretry_dead(), app.aclear_dead_letters(), app.aretry_dead())
    sent_back = answers[0].count + answers[2].count
    assert sent_back + answers[1] == 600
    found = await states(app, ids)
    assert (found.count(State.PENDING), found.count(None)) == (sent_back, answers[1])
    await app.aclose()


async def test_large_jobs_come_in_small_pages(app: Headrace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadletters, "_FIRST_PAGE", 4)
    monkeypatch.setattr(deadletters, "_PAGE_SIZE", 40_000)
    await die(app, *["x" * 10_000] * 12)
    storage = (await app.here()).storage
    sizes = []
    async for jobs in deadletters._pages(storage, deadletters.Selection()):
        sizes.append(len(jobs))
    assert sizes[0] == 4
    assert sum(sizes) == 12
    assert max(sizes[1:]) <= 2  # each has its text three times: as payload, message and traceback
    await app.aclose()


@pytest.mark.parametrize(
    ("which", "error"),
    [
        ({"reason": "Poison"}, InvalidOption),
        ({"error": 5}, InvalidOption),
        ({"task": "a b"}, InvalidName),
        ({"queue": "a b"}, InvalidName),
        ({"limit": 0}, InvalidOption),
        ({"limit": True}, InvalidOption),
        ({"finished_before": -1}, InvalidDelay),
        ({"finished_before": "yesterday"}, InvalidDelay),
        ({"finished_after": datetime(2026, 1, 1)}, InvalidDelay),  # noqa: DTZ001 - naive, as users write it
        ({"finished_after": datetime(9999, 1, 1, tzinfo=UTC)}, InvalidDelay),
        ({"older": "1h"}, InvalidOption),
    ],
    ids=str,
)
async def test_rows_11_and_12_conditions_that_mean_nothing_move_nothing(
    app: Headrace, which: dict[str, Any], error: type[Exception]
) -> None:
    ids = await die(app, "a")
    for operation in (app.adead_letters, app.aretry_dead, app.aclear_dead_letters):
        with pytest.raises(error):
            await operation(**which)
    for jobs in ("abc", ids[0], 5, ["not an id"]):
        with pytest.raises(InvalidOption):
            await app.aretry_dead(jobs=jobs)  # type: ignore[arg-type]
    assert await states(app, ids) == [State.DEAD]
    await app.aclose()


async def test_a_hundred_thousand_are_sent_back_and_cleared(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pages: never more than a thousand of them are held at once."""
    app = make()
    storage = (await app.here()).storage
    store = storage._entered()
    template = await app.ajob((await die(app, "a"))[0])
    for _ in range(99_999):
        store.rows.add(replace(template, id=app.ids.new()))
    most = 0
    apply = storage.apply

    async def watched(changes: Any) -> Any:
        nonlocal most
        most = max(most, len(changes))
        return await apply(changes)

    monkeypatch.setattr(storage, "apply", watched)
    assert await app.aretry_dead(reason="exhausted", limit=50_000) == Retried(50_000, 0)
    assert await app.aclear_dead_letters(error="ValueError: a") == 50_000
    assert most == 1_000
    assert (await app.acounts())["default"] == {State.PENDING: 50_000}
    await app.aclose()
