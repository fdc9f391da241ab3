"""Each rung of the ladder, on each storage: what is there afterwards is what the storage says of itself.

A handler fails, the process ends, it is killed right after an acknowledgement, the power goes, the machine is lost.
What ``Survival`` has of these stands in the table of the docs and in ``headrace doctor``.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from headrace import Headrace, RetryPolicy, State
from headrace.storage.contract import Filter
from headrace.storage.opening import open_url
from headrace.storage.survival import Fate, Survival
from headrace.system.clock import SystemClock
from headrace.testing.dice import Dice
from headrace.testing.powercut.disk import Disk
from headrace.testing.powercut.recording import NoRecorder, Operation, Say, record
from headrace.testing.servers.postgres import PostgresServer

PROGRAM = Path(__file__).with_name("promised.py")
STORAGES = ("memory", "hybrid", "sqlite", "sqlite normal", "file", "s3", "postgres")
ON_A_DISK = ("hybrid", "sqlite", "sqlite normal")
"""Those whose writes are recorded, and whose disk is made again as it may be after a power cut."""
INTERVAL = 0.2
"""Of the hybrid."""
SECONDS = 0.4
"""Of acknowledgements before each end: more than an interval."""
CUTS = 40
ALL = 100_000


class Place(NamedTuple):
    """Where a store is, or will be, and the folder that has all of it that is on this machine."""

    url: str
    folder: Path

    @property
    def survival(self) -> Survival:
        return open_url(self.url, clock=SystemClock()).capabilities.survival


class Promised(NamedTuple):
    """A job that was acknowledged, and when."""

    job_id: str
    at: float


def url_in(folder: Path, storage: str) -> str:
    """Of a store that is there, or will be."""
    match storage:
        case "memory":
            return "memory:"
        case "hybrid":
            return f"hybrid:///{folder}/jobs?interval={INTERVAL}s"
        case "file":
            return f"file://{folder}/jobs"
        case "sqlite":
            return f"sqlite:///{folder}/jobs"
        case _:
            return f"sqlite:///{folder}/jobs?durability=normal"


@pytest.fixture(params=STORAGES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    folder = tmp_path / "machine"
    folder.mkdir()
    services = {"s3": "fresh_s3", "postgres": "fresh_postgres"}
    if request.param in services:
        return Place(request.getfixturevalue(services[request.param]), folder)
    return Place(url_in(folder, request.param), folder)


def acknowledge(place: Place, how: str) -> list[Promised]:
    """What a process was promised before it came to its end."""
    said = place.folder.with_name("said")
    command = [sys.executable, str(PROGRAM), place.url, str(said), str(SECONDS), how]
    done = subprocess.run(command, cwd=place.folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == (-signal.SIGKILL if how == "kill" else 0), done.stderr
    promised = read(said.read_text())
    assert promised
    return promised


def read(text: str) -> list[Promised]:
    return [Promised(job_id, float(at)) for job_id, at in (line.split() for line in text.splitlines())]


def found_at(url: str) -> set[str]:
    """The jobs that are there, as another process sees them."""
    return asyncio.run(_found_at(url))


async def _found_at(url: str) -> set[str]:
    storage = open_url(url, clock=SystemClock(), auto_migrate=True)
    await storage.open()
    try:
        return {job.id for job in (await storage.find(Filter(), limit=ALL)).jobs}
    finally:
        await storage.close()


def fate_of(promised: Sequence[Promised], found: set[str], window: float) -> Fate:
    """What became of them. Where only some are gone these are the last ones, and not older than the window, if it has
    an end."""
    missing = [one for one in promised if one.job_id not in found]
    assert missing == promised[len(promised) - len(missing) :], "what is gone came before what is there"
    if not missing:
        return Fate.KEPT
    if window:
        assert promised[-1].at - missing[0].at <= window
        return Fate.LAST
    return Fate.LOST if len(missing) == len(promised) else Fate.LAST


# --- what every storage goes through ---------------------------------------------------------------------------------


def test_a_handler_fails(place: Place) -> None:
    with Headrace(place.url) as app:

        @app.task(retry=RetryPolicy.fixed(2, "1h"))
        def fail() -> None:
            raise ValueError("no")

        receipt = fail.enqueue()
        app.run(until_idle=True)
        job = app.job(receipt.id)
    assert place.survival.handler is Fate.KEPT
    assert job is not None
    assert job.state is State.RETRYING


def test_the_process_ends_and_then_the_machine_is_lost(place: Place) -> None:
    promised = acknowledge(place, "end")
    assert fate_of(promised, found_at(place.url), 0.0) is place.survival.end
    shutil.rmtree(place.folder)
    place.folder.mkdir()
    assert fate_of(promised, found_at(place.url), 0.0) is place.survival.machine


def test_the_process_is_killed(place: Place) -> None:
    promised = acknowledge(place, "kill")
    assert fate_of(promised, found_at(place.url), place.survival.window) is place.survival.kill


# --- the power goes --------------------------------------------------------------------------------------------------


@pytest.fixture(params=ON_A_DISK, scope="module")
def recorded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, missing: Callable[[str, str], None]
) -> tuple[str, Sequence[Operation]]:
    """A storage, and what it asked of its disk."""
    base = tmp_path_factory.mktemp("recorded")
    folder, said = base / "machine", base / "said"
    folder.mkdir()
    arguments = [str(PROGRAM), url_in(folder, request.param), str(said), str(SECONDS), "end"]
    try:
        return request.param, record(arguments, folder, said, base / "trace")
    except NoRecorder as error:
        missing("strace", str(error))
        raise


def test_the_power_goes(recorded: tuple[str, Sequence[Operation]], tmp_path: Path) -> None:
    storage, operations = recorded
    survival = Place(url_in(tmp_path, storage), tmp_path).survival
    dice = Dice("ladder")
    moments = [dice.whole(0, len(operations)) for _ in range(CUTS)]
    fates = {fate_after_cut(storage, operations[:moment], tmp_path, survival.window) for moment in moments}
    # The last ones of so short a run may be all of them.
    assert {Fate.KEPT if fate is Fate.KEPT else Fate.LAST for fate in fates} == {Fate.KEPT, survival.power}


@pytest.mark.parametrize("recorded", ["hybrid", "sqlite"], indirect=True)
def test_the_power_goes_after_the_process_has_ended(recorded: tuple[str, Sequence[Operation]], tmp_path: Path) -> None:
    storage, operations = recorded
    fates = {fate_after_cut(storage, operations, tmp_path, 0.0, cut) for cut in range(10)}
    assert fates == {Fate.KEPT}


def fate_after_cut(
    storage: str, operations: Sequence[Operation], base: Path, window: float, number: int | None = None
) -> Fate:
    """Of all that had been promised when the power went after these, by what may be left then."""
    dice = Dice(f"{len(operations)} {number}")
    disk, promised = Disk(dice.of("disk")), list[Promised]()
    for operation in operations:
        disk.take(operation)
        if isinstance(operation, Say):
            promised += read(operation.text)
    folder = base / "afterwards"
    folder.mkdir()
    for name, content in disk.cut(dice.of("cut")).items():
        (folder / name).write_bytes(content)
    found = found_at(url_in(folder, storage)) if (folder / "jobs").exists() else set()
    shutil.rmtree(folder)
    return fate_of(promised, found, window)


@pytest.mark.parametrize(("storage", "syncs"), [("file", False), ("sqlite", True)])
def test_on_a_local_disk_object_storage_syncs_nothing(
    tmp_path: Path, missing: Callable[[str, str], None], storage: str, syncs: bool
) -> None:
    """So nothing of it is safe from a loss of power. A storage that does sync shows that this would be seen."""
    strace, trace = shutil.which("strace"), tmp_path / "trace"
    if strace is None:
        missing("strace", "apt-get install strace")
    url = url_in(tmp_path, storage)
    watch = [str(strace), "-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync,sync,syncfs,sync_file_range,msync,openat"]
    program = [sys.executable, str(PROGRAM), url, str(tmp_path / "said"), str(SECONDS), "end"]
    subprocess.run([*watch, "-o", str(trace), *program], check=True, capture_output=True, timeout=60)
    lines = trace.read_text().splitlines()
    assert any("openat(" in line for line in lines)
    assert any("sync(" in line or "SYNC" in line for line in lines) is syncs
    assert (Place(url, tmp_path).survival.power is Fate.LOST) is not syncs


def test_a_server_that_crashes_has_what_it_has_acknowledged(own_postgres: PostgresServer, tmp_path: Path) -> None:
    """Its disk it syncs itself: that is not tried here."""
    place = Place(own_postgres.create_database(), tmp_path / "machine")
    place.folder.mkdir()
    promised = acknowledge(place, "kill")
    own_postgres.restart("immediate")
    assert fate_of(promised, found_at(place.url), 0.0) is place.survival.power
    assert "a crash of the server" in place.survival.promise


def test_memory_says_so_from_the_first_rung_on() -> None:
    survival = Place("memory:", Path(os.curdir)).survival
    assert survival.of(Fate.KEPT) == ["the failure of a handler"]
    assert survival.of(Fate.LAST) == []
