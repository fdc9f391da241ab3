"""Insert: one atomic step, the same id twice, due times, and rows that come back as they went in."""

import json

import pytest

from headrace.model.change import inserted
from headrace.model.errors import PutLost
from headrace.model.job import Encoding, Options, Until
from headrace.model.record import Expect, Put
from headrace.model.retry import RetryPolicy
from headrace.model.state import State
from headrace.storage.contract import Receipt
from headrace.testing.conformance.family import Family
from headrace.testing.conformance.stage import FAILED, Stage

PAYLOADS = {
    "empty": "{}",
    "unicode": json.dumps({"name": "Zoë Ångström 東京 ‮‏"}, ensure_ascii=False),
    "emoji": json.dumps({"mood": "👩‍👩‍👧‍👦🏳️‍🌈"}, ensure_ascii=False),
    "escaped_nul": '{"a":"\\u0000","b":"x\\u0000y"}',
    "escaped_surrogate": '{"a":"\\ud800"}',
    "spaces": '{ "a" :\t1.0,\n"b":1e400 }',
    "quotes": '{"a":"\'; DROP TABLE jobs; -- \\" %s ? :a"}',
    "big_numbers": '{"a":123456789012345678901234567890,"b":0.1,"c":-0}',
    "one_mebibyte": json.dumps({"a": "é" * 524_283}, ensure_ascii=False),
}


class TestInsert(Family):
    async def test_receipts_come_in_order(self, stage: Stage) -> None:
        news = [stage.new() for _ in range(5)]
        shuffled = [news[3], news[0], news[4], news[1], news[2]]
        assert list(await stage.storage.insert(shuffled)) == [Receipt(new.id) for new in shuffled]

    async def test_no_jobs_no_receipts(self, stage: Stage) -> None:
        assert list(await stage.storage.insert([])) == []
        assert await stage.storage.count() == {}

    async def test_the_row_is_the_one_that_the_model_says(self, stage: Stage) -> None:
        for new in (stage.new(), stage.new(delay=2.5, priority=7, key="k"), stage.new(encoding=Encoding.BYTES)):
            await stage.storage.insert([new])
            assert await stage.job(new.id) == inserted(new, stage.clock.wall())

    async def test_the_same_id_again_gives_the_same_receipt_and_changes_nothing(self, stage: Stage) -> None:
        new = stage.new()
        first = await stage.storage.insert([new])
        row = await stage.job(new.id)
        stage.clock.advance(5)
        again = await stage.storage.insert([stage.new(id=new.id, payload='{"a":1}', queue="other")])
        assert list(again) == list(first) == [Receipt(new.id)]
        assert await stage.job(new.id) == row
        assert await stage.ids() == [new.id]

    async def test_the_id_is_looked_at_before_the_key(self, stage: Stage) -> None:
        new = stage.new(key="k")
        assert list(await stage.storage.insert([new])) == [Receipt(new.id)]
        assert list(await stage.storage.insert([new])) == [Receipt(new.id)]

    async def test_the_same_id_again_takes_no_key(self, stage: Stage) -> None:
        new = stage.new()
        await stage.storage.insert([new])
        await stage.storage.insert([stage.new(id=new.id, key="k")])
        assert not (await stage.insert(key="k")).duplicate

    async def test_the_same_id_twice_in_one_call_is_one_job(self, stage: Stage) -> None:
        new = stage.new(key="k")
        assert list(await stage.storage.insert([new, new])) == [Receipt(new.id), Receipt(new.id)]
        assert await stage.storage.count() == {("q", State.PENDING): 1}

    async def test_the_same_id_after_it_ended_is_still_the_same_job(self, stage: Stage) -> None:
        new = stage.new()
        await stage.storage.insert([new])
        ended = await stage.settle((await stage.claim())[0])
        assert list(await stage.storage.insert([new])) == [Receipt(new.id)]
        assert await stage.job(new.id) == ended

    @pytest.mark.parametrize(
        ("fields", "state", "due_in"),
        [
            ({}, State.PENDING, 0),
            ({"delay": 0.001}, State.SCHEDULED, 1),
            ({"delay": 1.5}, State.SCHEDULED, 1500),
            ({"delay": 86_400 * 3650}, State.SCHEDULED, 86_400_000 * 3650),
        ],
    )
    async def test_a_job_due_now_is_pending_a_later_one_scheduled(
        self, stage: Stage, fields: dict[str, float], state: State, due_in: int
    ) -> None:
        job = await stage.job(await stage.enqueue(**fields))
        assert (job.state, job.due_at) == (state, stage.clock.wall() + due_in)

    @pytest.mark.parametrize(("offset", "state"), [(-1, State.PENDING), (0, State.PENDING), (1, State.SCHEDULED)])
    async def test_the_callers_own_instant(self, stage: Stage, offset: int, state: State) -> None:
        at = stage.clock.wall() + offset
        job = await stage.job(await stage.enqueue(at=at, delay=50.0))
        assert (job.state, job.due_at, job.enqueued_at) == (state, at, stage.clock.wall())

    @pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
    async def test_payload_texts_come_back_exactly(self, stage: Stage, payload: str) -> None:
        job_id = await stage.enqueue(payload=payload)
        assert (await stage.job(job_id)).payload == payload
        assert (await stage.claim())[0].payload == payload

    async def test_bytes_stay_marked_as_bytes(self, stage: Stage) -> None:
        job = await stage.running(payload="AAECAw==", encoding=Encoding.BYTES)
        assert (job.payload, job.encoding) == ("AAECAw==", Encoding.BYTES)

    async def test_options_come_back_exactly(self, stage: Stage) -> None:
        options = Options(
            timeout=0.25,
            max_attempts=7,
            retry=RetryPolicy(max_attempts=9, base=0.125, jitter=0),
            retention=0.5,
            headers={"trace": "00-é👍", "empty": "", "quote": "\"'\\"},
        )
        job_id = await stage.enqueue(options=options)
        assert (await stage.job(job_id)).options == options
        running = (await stage.claim())[0]
        assert running.options == options
        assert (await stage.settle(running, FAILED)).options == options

    @pytest.mark.parametrize("options", [Options(), Options(timeout=0.0), Options(retention=0.0), Options(headers={})])
    async def test_zero_is_not_absent(self, stage: Stage, options: Options) -> None:
        assert (await stage.job(await stage.enqueue(options=options))).options == options

    @pytest.mark.parametrize("priority", [0, 100, 32_767])
    async def test_priorities_come_back_exactly(self, stage: Stage, priority: int) -> None:
        assert (await stage.job(await stage.enqueue(priority=priority))).priority == priority

    @pytest.mark.parametrize("until", list(Until))
    async def test_keys_come_back_exactly(self, stage: Stage, until: Until) -> None:
        key = "welcome:é👍 " + "k" * 1_000
        job = await stage.job(await stage.enqueue(key=key, until=until, window=5.0))
        assert (job.key, job.until) == (key, until)

    async def test_puts_stand_beside_the_jobs(self, stage: Stage) -> None:
        new = stage.new()
        await stage.storage.insert([new], [Put("kv", "a", "1"), Put("kv", "b", "2", Expect.ABSENT)])
        assert await stage.ids() == [new.id]
        assert [(record.name, record.value) for record in await stage.storage.records("kv")] == [("a", "1"), ("b", "2")]

    async def test_puts_alone(self, stage: Stage) -> None:
        assert list(await stage.storage.insert([], [Put("kv", "a", "1")])) == []
        assert len(await stage.storage.records("kv")) == 1

    async def test_a_lost_put_inserts_nothing_and_puts_nothing(self, stage: Stage) -> None:
        await stage.storage.put([Put("kv", "taken", "0")])
        puts = [Put("kv", "other", "1"), Put("kv", "taken", "1", Expect.ABSENT)]
        with pytest.raises(PutLost) as caught:
            await stage.storage.insert([stage.new(key="k"), stage.new()], puts)
        assert (caught.value.kind, caught.value.name) == ("kv", "taken")
        assert await stage.storage.count() == {}
        assert [record.name for record in await stage.storage.records("kv")] == ["taken"]
        assert not (await stage.insert(key="k")).duplicate

    async def test_puts_see_the_ones_before_them(self, stage: Stage) -> None:
        await stage.storage.insert([], [Put("kv", "a", "1", Expect.ABSENT), Put("kv", "a", "2", 1)])
        (record,) = await stage.storage.records("kv")
        assert (record.value, record.version) == ("2", 2)
        with pytest.raises(PutLost):
            await stage.storage.insert([stage.new()], [Put("kv", "b", "1"), Put("kv", "b", "1", Expect.ABSENT)])
        assert [record.name for record in await stage.storage.records("kv")] == ["a"]

    async def test_a_duplicate_beside_puts_still_puts(self, stage: Stage) -> None:
        holder = await stage.enqueue(key="k")
        (receipt,) = await stage.storage.insert([stage.new(key="k")], [Put("kv", "a", "1")])
        assert receipt == Receipt(holder, duplicate=True)
        assert len(await stage.storage.records("kv")) == 1

    async def test_many_at_once(self, stage: Stage) -> None:
        news = [stage.new() for _ in range(6_000)]
        receipts = await stage.storage.insert(news)
        assert [receipt.id for receipt in receipts] == [new.id for new in news]
        assert await stage.number(State.PENDING) == 6_000
