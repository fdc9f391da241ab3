"""Ledgers: whole lines by one write each, in the order of a clock that all share."""

from pathlib import Path

import pytest

from headrace.testing.chaos.ledger import Ledger, TooLong, clock_offset
from headrace.testing.history.reading import read_history
from headrace.testing.history.records import Died, Enqueueing, Wanted


def ledger(folder: Path, name: str, **more: int) -> Ledger:
    return Ledger(folder / f"{name}.jsonl", name, more.pop("offset", 0), **more)


def test_what_one_process_writes_can_be_read_with_what_others_wrote(tmp_path: Path) -> None:
    one, other = ledger(tmp_path, "one"), ledger(tmp_path, "other")
    one.write(lambda _, process: Died(at=3, process=process))
    other.write(lambda _, process: Died(at=2, process=process))
    one.write(lambda _, process: Died(at=1, process=process))
    merged = read_history(tmp_path.glob("*.jsonl"))
    assert [(record.at, record.process) for record in merged] == [(1, "one"), (2, "other"), (3, "one")]
    one.close()
    other.close()


def test_a_record_that_is_more_than_one_write_is_refused(tmp_path: Path) -> None:
    jobs = [Wanted(id=f"{number}", task="work", queue="default") for number in range(100)]
    own, whole = ledger(tmp_path, "one"), ledger(tmp_path, "whole", longest=1 << 20)
    with pytest.raises(TooLong, match="4096 at most"):
        own.write(lambda at, process: Enqueueing(at=at, process=process, call=1, jobs=jobs))
    assert not (tmp_path / "one.jsonl").read_bytes()
    whole.write(lambda at, process: Enqueueing(at=at, process=process, call=1, jobs=jobs))
    (record,) = read_history([tmp_path / "whole.jsonl"])
    assert isinstance(record, Enqueueing)
    assert list(record.jobs) == jobs
    own.close()
    whole.close()


def test_the_clock_of_ledgers_is_on_time_and_calls_have_numbers(tmp_path: Path) -> None:
    own = ledger(tmp_path, "one", offset=clock_offset())
    before = own.now()
    assert abs(before - (own.now())) < 1_000
    assert before > 1_700_000_000_000
    assert [own.next_call(), own.next_call()] == [1, 2]
    own.close()
