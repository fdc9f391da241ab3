"""Which entries of a journal can go, and that nothing goes with them."""

import threading
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.storage.journal.changes import Changes, Noted, pack, split, unpack
from headrace.storage.journal.ledger import Ledger
from headrace.storage.memory.keys import Hold
from headrace.storage.memory.leases import BootTime

SLACK = 6


class Journal:
    """Two tables, and a journal of them on which nothing ever fails."""

    def __init__(self) -> None:
        self.noted, self.ledger, self.lock = Noted(), Ledger(SLACK), threading.Lock()
        self.entries: dict[int, bytes] = {}
        self.first = self.next = 1

    def change(self, table: int, key: int, value: int | None) -> None:
        """None: the key is gone."""
        tables = self.noted.tables
        if table == 0:
            name = ("q", str(key))
            tables.holds.pop(name, None)
            if value is not None:
                tables.holds[name] = Hold(str(value), None)
        else:
            tables.leases.pop(str(key), None)
            if value is not None:
                tables.leases[str(key)] = BootTime("boot", value)

    def write(self) -> None:
        """As the keeper does."""
        upto = self.ledger.carry(self.noted, self.lock)
        changes = self.noted.take()
        self.ledger.spare(changes)
        for number, part in enumerate(split(changes), self.next):
            self.entries[number] = pack(part)
            self.ledger.add(number, part)
            self.next = number + 1
        self.first = self.first if upto is None else upto
        self.ledger.drop(self.first)
        self.entries = {number: data for number, data in self.entries.items() if number >= self.first}

    def read(self, ledger: Ledger | None = None) -> tuple[dict[Any, Any], ...]:
        """The tables that the journal gives."""
        last: tuple[dict[Any, Any], ...] = tuple({} for _ in Changes().tables())
        assert sorted(self.entries) == list(range(self.first, self.next))
        for number, data in sorted(self.entries.items()):
            changes = unpack(data)
            if ledger is not None:
                ledger.add(number, changes)
            for rows, table in zip(last, changes.tables(), strict=True):
                for key, value in table.items():
                    if value is None:
                        rows.pop(key, None)
                    else:
                        rows[key] = value
        return last

    def reopen(self) -> None:
        """What another owner would know."""
        ledger = Ledger(SLACK)
        self.read(ledger)
        self.ledger = ledger

    def check(self) -> None:
        """The journal says what the tables say."""
        assert self.read() == tuple(dict(table) for table in self.noted.all)

    @property
    def rows(self) -> int:
        return sum(len(unpack(data)) for data in self.entries.values())

    @property
    def live(self) -> int:
        return sum(len(table) for table in self.noted.all)


changes = st.tuples(st.just("change"), st.integers(0, 1), st.integers(0, 9), st.none() | st.integers(0, 5))
steps = st.lists(changes | changes | st.just(("write",)) | st.just(("reopen",)), max_size=120)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(steps)
def test_what_was_written_comes_back(taken: list[tuple[Any, ...]]) -> None:
    journal = Journal()
    for name, *arguments in taken:
        if name == "change":
            journal.change(*arguments)
            continue
        journal.write()
        journal.check()
        if name == "reopen":
            journal.reopen()
    for _ in range(100):
        journal.write()
        journal.check()
    assert journal.rows <= 2 * journal.live + SLACK
    assert journal.ledger._rows == journal.rows


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.lists(changes, min_size=1, max_size=5), max_size=60))
def test_the_journal_is_bounded_at_every_step(taken: list[list[tuple[Any, ...]]]) -> None:
    """Twice what it must be, the slack, and what came with the last write."""
    journal = Journal()
    for several in taken:
        for _, *arguments in several:
            journal.change(*arguments)
        journal.write()
        assert journal.rows <= 2 * journal.live + SLACK + 3 * len(several)
        journal.check()


def test_many_rows_that_go_at_once_go_from_the_journal_in_steps() -> None:
    journal = Journal()
    for key in range(200):
        journal.change(0, key, 1)
        journal.write()
    for key in range(200):
        journal.change(0, key, None)
    journal.write()
    before = journal.rows
    journal.write()
    assert SLACK <= before - journal.rows <= before // 2
    for _ in range(60):
        journal.write()
    assert journal.rows <= SLACK
    journal.check()


def test_a_row_that_never_changes_is_carried_along() -> None:
    journal = Journal()
    journal.change(0, 1, 1)
    for value in range(500):
        journal.change(1, 1, value)
        journal.write()
    journal.check()
    assert journal.first > 400


def test_a_row_that_came_and_went_between_two_writes_is_not_written() -> None:
    journal = Journal()
    journal.change(0, 1, 1)
    journal.change(0, 1, None)
    journal.write()
    assert journal.entries == {}


def test_that_a_row_is_gone_is_said_as_long_as_the_journal_has_it() -> None:
    journal = Journal()
    journal.change(0, 1, 1)
    journal.write()
    journal.reopen()
    journal.change(0, 1, None)
    journal.write()
    journal.reopen()
    assert journal.read()[1] == {}
    journal.change(0, 1, 2)
    journal.change(0, 1, None)
    journal.write()
    assert journal.read()[1] == {}
