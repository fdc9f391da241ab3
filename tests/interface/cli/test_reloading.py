"""Which changes restart workers."""

import asyncio
import os
from pathlib import Path

import pytest

from headrace.interface.cli.reloading import snapshot, watch_code
from headrace.system.clock import ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_it_looks_at_python_files_and_not_into_what_others_wrote(tmp_path: Path) -> None:
    write(tmp_path / "mail.py")
    write(tmp_path / "deep/er/tasks.py")
    write(tmp_path / "notes.txt")
    write(tmp_path / ".hidden/a.py")
    write(tmp_path / "env/pyvenv.cfg")
    write(tmp_path / "env/lib/b.py")
    write(tmp_path / "__pycache__/c.py")
    assert set(snapshot(str(tmp_path))) == {str(tmp_path / "mail.py"), str(tmp_path / "deep/er/tasks.py")}


async def test_it_tells_of_new_changed_and_removed_files_once(tmp_path: Path) -> None:
    path = write(tmp_path / "mail.py")
    told: list[int] = []
    looks: asyncio.Queue[None] = asyncio.Queue()

    class Clock(ManualClock):
        async def sleep(self, seconds: float) -> None:
            await looks.get()

    async def look() -> int:
        looks.put_nowait(None)
        while not looks.empty():
            await asyncio.get_running_loop().run_in_executor(None, int)
        await asyncio.get_running_loop().run_in_executor(None, int)
        return len(told)

    watching = asyncio.create_task(watch_code(str(tmp_path), Clock(), lambda: told.append(1)))
    await asyncio.get_running_loop().run_in_executor(None, int)
    try:
        assert await look() == 0
        os.utime(path, ns=(1, 1))
        assert await look() == 1
        assert await look() == 1
        write(tmp_path / "new.py")
        assert await look() == 2
        path.unlink()
        assert await look() == 3
    finally:
        watching.cancel()
        await asyncio.get_running_loop().shutdown_default_executor()
