"""The disk of power cuts: what was synced is there, and of the rest everything that may be is, at some cut."""

from collections.abc import Sequence

from headrace.testing.dice import Dice
from headrace.testing.powercut.disk import SECTOR, Disk
from headrace.testing.powercut.recording import Name, Operation, Resize, Say, Sync, SyncFolder, Write

CUTS = 400
MADE: Sequence[Operation] = [Name("a", 1), SyncFolder(1)]
"""A file that is there, and empty."""


def cuts(operations: Sequence[Operation], number: int = CUTS) -> list[dict[str, bytes]]:
    """What may be there after these, cut by cut."""
    disk = Disk(Dice(1))
    for operation in operations:
        disk.take(operation)
    return [dict(disk.cut(Dice(f"disk/{cut}"))) for cut in range(number)]


def contents(operations: Sequence[Operation]) -> set[bytes]:
    return {files["a"] for files in cuts(operations)}


def test_what_was_synced_is_there_at_every_cut() -> None:
    assert contents([*MADE, Write(1, 0, b"one"), Write(1, 3, b"two"), Sync(1, 4)]) == {b"onetwo"}


def test_what_was_not_may_be_there_or_not_in_any_order() -> None:
    found = contents([*MADE, Write(1, 0, b"one"), Sync(1, 3), Write(1, 0, b"two"), Write(1, 3, b"x")])
    assert found == {b"one", b"two", b"onex", b"twox"}


def test_a_sync_does_not_count_for_what_was_written_while_it_went_on() -> None:
    assert contents([*MADE, Write(1, 0, b"one"), Write(1, 3, b"late"), Sync(1, 3)]) >= {b"one", b"onelate"}


def test_what_a_sync_failed_for_is_not_certain_because_of_a_later_one() -> None:
    found: set[bytes] = set()
    for cut in range(50):
        disk = Disk(Dice(cut))
        for operation in [*MADE, Write(1, 0, b"one"), Sync(1, 3, failed=True), Write(1, 3, b"x"), Sync(1, 5)]:
            disk.take(operation)
        once = {disk.cut(Dice(f"{cut}/{again}"))["a"] for again in range(5)}
        assert len(once) == 1  # it is there or it is not, whenever one looks
        found |= once
    assert found == {b"onex", b"\0\0\0x"}


def test_a_write_is_torn_between_sectors_of_the_disk_and_nowhere_else() -> None:
    offset, length = 100, 3 * SECTOR
    found = contents([*MADE, Write(1, 0, b"-" * 2000), Sync(1, 3), Write(1, offset, b"x" * length)])
    assert len(found) > 6
    edges = {offset, SECTOR, 2 * SECTOR, 3 * SECTOR, offset + length}
    for content in found:
        assert {place for place in range(1, 2000) if content[place] != content[place - 1]} <= edges


def test_a_file_may_keep_the_length_that_it_had() -> None:
    before = [*MADE, Write(1, 0, b"long"), Sync(1, 3)]
    assert contents([*before, Resize(1, 1)]) == {b"long", b"l"}
    assert contents([*before, Resize(1, 6)]) == {b"long", b"long\0\0"}


def test_names_are_certain_once_the_folder_was_synced() -> None:
    made: list[Operation] = [Name("a", 1), Write(1, 0, b"x"), Sync(1, 2)]
    assert {tuple(files) for files in cuts(made)} == {(), ("a",)}
    assert {tuple(files) for files in cuts([*made, SyncFolder(3)])} == {("a",)}
    assert {tuple(files) for files in cuts([*made, SyncFolder(3), Name("a", None)])} == {(), ("a",)}
    renamed = [*made, SyncFolder(3), Name("b", 1), Name("a", None)]
    assert {tuple(sorted(files)) for files in cuts(renamed)} == {(), ("a",), ("b",), ("a", "b")}


def test_a_name_given_anew_stands_for_the_one_file_or_for_the_other() -> None:
    again = [*MADE, Write(1, 0, b"old"), Sync(1, 3), Name("a", None), Name("a", 2), Write(2, 0, b"new"), Sync(2, 7)]
    assert {files.get("a") for files in cuts(again)} == {b"old", None, b"new"}


def test_what_is_said_changes_no_disk() -> None:
    disk = Disk(Dice(1))
    disk.take(Say("done"))
    assert (disk.unsynced, dict(disk.cut(Dice(1)))) == (0, {})
