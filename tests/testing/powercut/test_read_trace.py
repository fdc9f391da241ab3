"""The trace of a program, read."""

from pathlib import Path

import pytest

from headrace.testing.powercut.recording import (
    Name,
    NotModelled,
    Operation,
    Reader,
    Resize,
    Say,
    Sync,
    SyncFolder,
    Write,
)


def text(value: str) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in value.encode()) + '"'


def path(descriptor: int | str, value: str) -> str:
    return f"{descriptor}<{text(value)[1:-1]}>"


HERE = path("AT_FDCWD", "/")
DB = path(7, "/d/jobs.db")
OPENED = f"12  openat({HERE}, {text('/d/jobs.db')}, O_RDWR|O_CREAT|O_CLOEXEC, 0600) = {DB}\n"


def read(*lines: str) -> list[Operation]:
    return list(Reader(Path("/d"), Path("/said")).read(iter(lines)))


def test_a_file_is_made_written_cut_and_synced() -> None:
    assert read(
        OPENED,
        f"12  pwrite64({DB}, {text('ab')}, 2, 4096) = 2\n",
        f"12  ftruncate({DB}, 8192) = 0\n",
        f"12  fdatasync({DB}) = 0\n",
        f"12  openat({HERE}, {text('/d')}, O_RDONLY|O_CLOEXEC) = {path(9, '/d')}\n",
        f"12  fsync({path(9, '/d')}) = 0\n",
    ) == [Name("jobs.db", 1), Write(1, 4096, b"ab"), Resize(1, 8192), Sync(1, 3), SyncFolder(4)]


def test_a_call_that_another_one_interrupts_counts_when_it_ends() -> None:
    said = path(3, "/said")
    assert read(
        OPENED,
        f"12  fdatasync({DB} <unfinished ...>\n",
        f"100  write({said}, {text('yes')}, 3) = 3\n",
        "12  <... fdatasync resumed>) = 0\n",
    ) == [Name("jobs.db", 1), Say("yes"), Sync(1, 1)]


def test_a_sync_that_failed() -> None:
    line = f"12  fdatasync({DB}) = -1 EIO (Input/output error) (INJECTED)\n"
    assert read(OPENED, line) == [Name("jobs.db", 1), Sync(1, 1, failed=True)]


def test_a_file_without_a_name_is_none_of_the_disks() -> None:
    tried = path(8, "/d/#12")
    assert (
        read(
            f"12  openat({HERE}, {text('/d')}, O_WRONLY|O_CLOEXEC|O_TMPFILE, 0600) = {tried}(deleted)\n",
            f"12  write({tried}(deleted), {text('abc')}, 3) = 3\n",
        )
        == []
    )


def test_names_that_are_linked_moved_and_taken() -> None:
    assert read(
        OPENED,
        f"12  link({text('/d/jobs.db')}, {text('/d/b')}) = 0\n",
        f"12  rename({text('/d/b')}, {text('/d/c')}) = 0\n",
        f"12  unlink({text('/d/jobs.db')}) = 0\n",
        f"12  unlink({text('/d/none')}) = -1 ENOENT (No such file or directory)\n",
    ) == [Name("jobs.db", 1), Name("b", 1), Name("c", 1), Name("b", None), Name("jobs.db", None)]


def test_short_writes_failures_other_folders_and_shared_memory() -> None:
    assert read(
        OPENED,
        f"12  pwrite64({DB}, {text('abc')}, 3, 0) = 2\n",
        f"12  pwrite64({DB}, {text('abc')}, 3, 0) = -1 EIO (Input/output error)\n",
        f"12  pwrite64({path(8, '/else/x')}, {text('abc')}, 3, 0) = 3\n",
        f"12  openat({HERE}, {text('/d/jobs.db-shm')}, O_RDWR|O_CREAT, 0600) = {path(9, '/d/jobs.db-shm')}\n",
        f"12  ftruncate({path(9, '/d/jobs.db-shm')}, 3) = 0\n",
        "12  +++ exited with 0 +++\n",
    ) == [Name("jobs.db", 1), Write(1, 0, b"ab")]


@pytest.mark.parametrize(
    "line",
    [
        f"12  fallocate({DB}, 0, 0, 4096) = 0\n",
        f"12  write({DB}, {text('a')}, 1) = 1\n",
        f"12  pwrite64({DB}, {text('a')}..., 9000000, 0) = 9000000\n",
    ],
)
def test_what_is_not_modelled_is_no_silent_success(line: str) -> None:
    with pytest.raises(NotModelled):
        read(OPENED, line)
