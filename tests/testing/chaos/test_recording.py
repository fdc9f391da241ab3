"""What a recorded storage writes down: grants, leases, writes let through and refused, permits."""

from pathlib import Path

import msgspec
import pytest

from headrace.model import lifecycle
from headrace.model.job import NewJob
from headrace.model.outcome import Returned
from headrace.model.rate import full, parse_rate, take
from headrace.model.record import LIMIT, Put
from headrace.model.state import State
from headrace.storage.contract import Demand
from headrace.storage.memory import MemoryStorage
from headrace.system.clock import ManualClock
from headrace.testing.chaos.ledger import Ledger
from headrace.testing.chaos.recording import Recorded
from headrace.testing.history.reading import read_history
from headrace.testing.history.records import AnyRecord, Bought, Granted, Leased, Settled

pytestmark = pytest.mark.anyio


class Stand:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.path = folder / "one.jsonl"
        self.ledger = Ledger(self.path, "one", 0)
        self.storage = Recorded(MemoryStorage(clock=self.clock), self.ledger)

    def written(self, kind: type[AnyRecord]) -> list[AnyRecord]:
        return [record for record in read_history([self.path]) if isinstance(record, kind)]


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


async def test_a_rescued_job_and_the_late_write_of_its_first_worker(stand: Stand) -> None:
    storage = stand.storage
    await storage.open()
    await storage.insert([NewJob("a", "work", "q", "{}")])
    await storage.beat("w1", (), 10)
    (held,) = await storage.claim("w1", [Demand("q", 1)])
    stand.clock.advance(11)
    await storage.beat("w2", (), 10)
    (rescued,) = await storage.reclaim("w2", 10)
    await storage.apply([lifecycle.complete(held, Returned(b"1"))])
    await storage.apply([lifecycle.lapse(rescued, 0.5)])
    grants = [record for record in stand.written(Granted) if isinstance(record, Granted)]
    assert [(one.worker, one.job, one.generation, one.rescued) for one in grants] == [
        ("w1", "a", 1, False),
        ("w2", "a", 2, True),
    ]
    settled = [record for record in stand.written(Settled) if isinstance(record, Settled)]
    assert [(one.worker, one.generation, one.state, one.applied) for one in settled] == [
        ("w1", 1, State.COMPLETED, False),
        ("w2", 2, State.RETRYING, True),
    ]
    leases = [record for record in stand.written(Leased) if isinstance(record, Leased)]
    assert [one.worker for one in leases] == ["w1", "w2"]
    assert all(9_000 < one.until - one.at <= 10_000 for one in leases)
    await storage.beat("w2", (), 0)
    last = stand.written(Leased)[-1]
    assert isinstance(last, Leased)
    assert last.until == last.at
    await storage.close()


async def test_permits_are_written_down_by_whoever_changed_the_bucket(stand: Stand) -> None:
    storage = stand.storage
    await storage.open()
    bucket = full(parse_rate("10/s"), 5)
    await storage.put([Put(LIMIT, "upstream", msgspec.json.encode(bucket).decode())])
    (record,) = await storage.records(LIMIT)
    after, granted = take(bucket, 3, 1_000)
    value = msgspec.json.encode(after).decode()
    assert await storage.put([Put(LIMIT, "upstream", value, record.version)]) == [True]
    assert await storage.put([Put(LIMIT, "upstream", value, record.version)]) == [False], "somebody was faster"
    bought = [one for one in stand.written(Bought) if isinstance(one, Bought)]
    assert [(one.limit, one.number, one.at) for one in bought] == [("upstream", granted, after.at)]
    await storage.close()


async def test_a_sibling_writes_into_the_same_ledger(stand: Stand) -> None:
    sibling = stand.storage.sibling()
    await sibling.open()
    await sibling.beat("w1", (), 10)
    assert len(stand.written(Leased)) == 1
    assert sibling.capabilities == stand.storage.capabilities
    await sibling.close()
