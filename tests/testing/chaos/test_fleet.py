"""Which ends of a process are in order."""

import signal
from pathlib import Path

import pytest

from headrace.interface.cli.exits import FAILED
from headrace.testing.chaos.fleet import Overdue, Ship, wait_until
from headrace.testing.chaos.ledger import clock_offset
from headrace.testing.chaos.station import Station
from headrace.testing.history.records import Healed


def ended(folder: Path, code: int, *, told: int = 1, written: int | None = None) -> Ship:
    """A process that has ended; ``written`` is how many milliseconds before its end it wrote its first record."""
    offset = clock_offset()
    station = Station(url="memory:", folder=str(folder), role="worker", number=1, seed=1, offset=offset)
    ship = Ship(station, 0)
    ship.code = code
    for _ in range(told):
        assert not ship.hurry(), "nothing is sent to a process that has ended"
    if written is not None:
        station.ledgers.mkdir()
        ledger = station.open_ledger()
        ledger.write(lambda at, process: Healed(at=at - written, process=process))
        ledger.close()
    return ship


@pytest.mark.parametrize("code", [0, 1, -signal.SIGTERM])
def test_who_was_not_told_to_end_ends_in_disorder(tmp_path: Path, code: int) -> None:
    assert not ended(tmp_path, code, told=0).ended_well


def test_a_zero_is_in_order_and_an_error_is_not(tmp_path: Path) -> None:
    assert ended(tmp_path, 0).ended_well
    assert not ended(tmp_path, FAILED).ended_well


def test_a_signal_ends_only_who_starts_or_is_told_again(tmp_path: Path) -> None:
    assert ended(tmp_path, -signal.SIGTERM).ended_well, "it had not even begun"
    assert ended(tmp_path, -signal.SIGTERM, told=2).ended_well
    assert not ended(tmp_path, -signal.SIGTERM, written=60_000).ended_well


def test_a_signal_may_end_who_has_just_begun(tmp_path: Path) -> None:
    assert ended(tmp_path, -signal.SIGTERM, written=10).ended_well


def test_a_supervisor_may_say_that_its_workers_were_killed(tmp_path: Path) -> None:
    ship = ended(tmp_path, FAILED)
    ship.is_bereft = True
    assert ship.ended_well


def test_what_does_not_come_is_overdue() -> None:
    with pytest.raises(Overdue, match=r"not within 0 s: the sea"):
        wait_until(lambda: False, "the sea", 0)
