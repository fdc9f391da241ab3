"""Memory and each other storage take the same random steps, and must answer the same, always.

The steps are the same in every run, so that a red run is about the change. ``make explore`` takes new ones, and looks
longer.
"""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine
from pair import ALL, Pair
from postgres_on_a_clock import empty_store, make_store, storage_on

from headrace.storage.contract import Storage
from headrace.storage.hybrid import hybrid_storage
from headrace.storage.objectstore import object_storage
from headrace.storage.objectstore.place import read_place
from headrace.storage.sqlite.storage import SqliteStorage

CHOSEN = os.environ.get("HEADRACE_EXAMPLES")
EXAMPLES = int(CHOSEN or "60")
STEPS = 40


class MemoryAndSqlite(Pair):
    def make_other(self) -> Storage:
        self.folder = tempfile.TemporaryDirectory()
        return SqliteStorage(Path(self.folder.name) / "jobs.db", clock=self.clock, durability="normal")

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


class MemoryAndPostgres(Pair):
    url = ""

    def make_other(self) -> Storage:
        empty_store(self.url)
        return storage_on(self.url, self.clock)


class MemoryAndHybrid(Pair):
    """Besides: what comes back out of the file is what was there."""

    def make_other(self) -> Storage:
        self.folder = tempfile.TemporaryDirectory()
        return self.open_other()

    def open_other(self) -> Storage:
        return hybrid_storage(Path(self.folder.name) / "jobs.snap", clock=self.clock)

    def teardown(self) -> None:
        self.runner.run(self.other.close())
        self.other = self.open_other()
        self.runner.run(self.other.open())
        self.both(lambda storage: storage.dump(limit=ALL))
        super().teardown()
        self.folder.cleanup()


class MemoryAndObjects(MemoryAndHybrid):
    def open_other(self) -> Storage:
        return object_storage(read_place(f"file://{self.folder.name}/jobs"), clock=self.clock)


@pytest.fixture(scope="module")
def store_for_pairs(postgres_url: str) -> None:
    """A store whose clock tests move."""
    make_store(postgres_url)
    MemoryAndPostgres.url = postgres_url


def _case(machine: type[RuleBasedStateMachine]) -> type:
    case = machine.TestCase
    case.settings = settings(
        max_examples=EXAMPLES,
        derandomize=not CHOSEN,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
    )
    return case


_long = pytest.mark.timeout(1_200)  # shrinking a failure takes its time
TestMemoryAndSqlite = _long(_case(MemoryAndSqlite))
TestMemoryAndHybrid = _long(_case(MemoryAndHybrid))
TestMemoryAndObjects = _long(_case(MemoryAndObjects))
TestMemoryAndPostgres = pytest.mark.usefixtures("store_for_pairs")(_long(_case(MemoryAndPostgres)))
