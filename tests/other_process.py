"""Another process with a handle on a store, and what it answers: ``python other_process.py URL``, a command a line."""

# ruff: noqa: T201, TID251 - another process is the subject

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from headrace.model.errors import HeadraceError
from headrace.model.job import NewJob
from headrace.storage.contract import Demand, Filter, Storage
from headrace.storage.opening import open_url
from headrace.system.clock import SystemClock
from headrace.system.ids import Ids

IDS = Ids(SystemClock())


async def obey(storage: Storage, name: str, number: int) -> Any:
    """What the command gives."""
    match name:
        case "insert":
            new = [NewJob(id=IDS.new(), task="t", queue="q", payload="{}") for _ in range(number)]
            return [receipt.id for receipt in await storage.insert(new)]
        case "claim":
            await storage.beat("w", [], 3600)
            return [job.id for job in await storage.claim("w", [Demand("q", number)])]
        case "ids":
            return [job.id for job in (await storage.find(Filter(), limit=10_000)).jobs]
        case "close":
            await storage.close()
            return []
        case _:
            raise ValueError(name)


async def serve(url: str) -> None:
    """Until there are no more commands. Nothing is closed unasked."""
    storage = open_url(url, clock=SystemClock(), patience=20.0)
    await storage.open()
    print(json.dumps({"pid": os.getpid()}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        name, _, number = line.strip().partition(" ")
        try:
            answer = {"answer": await obey(storage, name, int(number or 1))}
        except HeadraceError as error:
            answer = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps(answer), flush=True)


class Refused(Exception):
    """What the other process was told."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name, self.text = name, text


class Other:
    """Such a process, as a test sees it."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.pid: int = self._hear()["pid"]
        except BaseException:
            self.kill()
            raise

    def ask(self, name: str, number: int = 1) -> Sequence[str]:
        """What it answers."""
        self.begin(name, number)
        return self.finish()

    def refusal(self, name: str, times: int = 1) -> Refused | None:
        """What it is told, by the last of so many tries at the latest; None: each was answered."""
        for _ in range(times):
            try:
                self.ask(name)
            except Refused as refused:
                return refused
        return None

    def begin(self, name: str, number: int = 1) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name} {number}\n")
        self._process.stdin.flush()

    def finish(self) -> Sequence[str]:
        heard = self._hear()
        if "error" in heard:
            raise Refused(heard["error"], heard["text"])
        answer: Sequence[str] = heard["answer"]
        return answer

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """It hears no more, and ends by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(30)

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "it has ended"
        return json.loads(line)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
