"""What is noted, and how it is packed."""

import zlib

import msgspec
import pytest
from shelves import new_job

from headrace.model.timeline import Entry
from headrace.storage.journal import changes as packing
from headrace.storage.journal.changes import Changes, Noted, Table, pack, split, unpack
from headrace.storage.memory import inserting
from headrace.storage.memory.leases import BootTime
from headrace.storage.memory.store import Store
from headrace.system.clock import ManualClock


def filled(number: int, payload: str = "{}") -> Changes:
    """So many new jobs, each with a key."""
    noted = Noted()
    inserting.insert(
        Store(ManualClock(), noted.tables),
        [new_job(payload=payload, key=f"k{index}") for index in range(number)],
        (),
    )
    return noted.take()


def test_a_table_notes_what_is_put_in_and_taken_out() -> None:
    table: Table[str, int] = Table()
    table["a"] = 1
    table["b"] = 2
    table["a"] = 3
    del table["b"]
    assert table.pop("c", "none") == "none"
    assert (dict(table), table.changed) == ({"a": 3}, {"a": 3, "b": None})
    assert table.pop("a") == 3
    assert table.changed == {"a": None, "b": None}


def test_what_fails_notes_nothing() -> None:
    table: Table[str, int] = Table()
    with pytest.raises(KeyError):
        del table["a"]
    assert table.changed == {}


@pytest.mark.parametrize("name", ["clear", "popitem", "setdefault", "update", "__ior__"])
def test_what_would_not_be_noted_is_refused(name: str) -> None:
    table: Table[str, int] = Table()
    with pytest.raises(TypeError, match="would not be noted"):
        getattr(table, name)({"a": 1})
    assert table == {}


def test_all_that_a_dict_offers_is_noted_or_refused() -> None:
    """A method that a later Python adds is to be looked at."""
    reads = {"copy", "fromkeys", "get", "items", "keys", "values"}
    writes = {name for name in vars(dict) if not name.startswith("_")} - reads
    assert writes == {"clear", "pop", "popitem", "setdefault", "update"}


def test_taking_leaves_nothing_to_be_taken() -> None:
    noted = Noted()
    inserting.insert(Store(ManualClock(), noted.tables), [new_job()], ())
    assert noted.has_changed()
    assert len(noted.take().jobs) == 1
    assert not noted.has_changed()
    assert not noted.take()


def test_leases_are_kept_and_never_waited_for() -> None:
    noted = Noted()
    noted.tables.leases["w"] = BootTime("boot", 5)
    assert not noted.has_changed()
    assert noted.take().leases == {"w": BootTime("boot", 5)}


def test_what_is_packed_comes_back_as_it_was() -> None:
    taken = filled(10, '{"é":"👍\\u0000"}')
    taken.entries["e"] = Entry("e", "minute", "q", -5, "{}")
    taken.records["kv", "gone"] = None
    assert unpack(pack(taken)) == taken


@pytest.mark.parametrize("length", [1, 2, 3, 30, 300])
def test_bytes_that_were_changed_are_refused(length: int) -> None:
    data = pack(filled(20))
    for start in range(0, len(data), 37):
        spoilt = bytearray(data)
        spoilt[start : start + length] = bytes(255 - byte for byte in spoilt[start : start + length])
        with pytest.raises(ValueError, match=r"\w"):
            unpack(bytes(spoilt))


def test_bytes_that_end_early_or_late_are_refused() -> None:
    data = pack(filled(20))
    for cut in (b"", data[:1], data[: len(data) // 2], data[:-1]):
        with pytest.raises(ValueError, match=r"\w"):
            unpack(cut)
    with pytest.raises(ValueError, match=r"\w"):
        unpack(zlib.compress(msgspec.msgpack.encode(["no", "changes"])))


@pytest.mark.parametrize(("number", "payload"), [(0, "{}"), (3, "{}"), (7_001, "{}"), (9, '"' + "x" * 400_000 + '"')])
def test_parts_are_small_and_the_same_together(number: int, payload: str) -> None:
    whole = filled(number, payload)
    parts = list(split(whole))
    found = Changes({}, {}, {}, {}, {})
    for part in parts:
        assert 0 < len(part) <= packing.MOST_ROWS
        assert sum(len(job.payload) for job in part.jobs.values() if job) <= 2 * packing.MOST_SIZE
        for there, table in zip(found.tables(), part.tables(), strict=True):
            assert not there.keys() & table.keys()
            there |= table
    assert found == whole
    assert len(parts) <= 1 or number > 3
