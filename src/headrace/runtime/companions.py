"""Companions: warm child processes that answer job after job. A free one is chosen, a dead one replaced."""

import asyncio
from collections.abc import Callable
from typing import assert_never

from headrace.model.command import end_text
from headrace.model.companion import Reply, ReplyRefused, encode_request, read_reply
from headrace.model.errors import CompanionFailed
from headrace.model.outcome import Throttled
from headrace.runtime.command import why_not_started
from headrace.system.finishing import finish
from headrace.system.spawn import Companion, MinderDied, Order, ProgramNotStarted, Spawn, Unanswered


class Companions:
    """At most ``size`` of them, of one event loop. They start when they are first needed."""

    def __init__(self, spawn: Spawn, order: Order, size: int) -> None:
        self._spawn, self._order = spawn, order
        self._free = asyncio.Semaphore(size)
        self._idle: list[Companion] = []
        self.asked = 0
        """Jobs under way."""

    async def ask(self, job_id: str, payload: object) -> object:
        """The result, Throttled, or CompanionFailed. Whoever fails to answer, or is not waited for, is ended first."""
        self.asked += 1
        try:
            async with self._free:
                return _result(await self._exchange(job_id, payload))
        finally:
            self.asked -= 1

    async def _exchange(self, job_id: str, payload: object) -> Reply:
        companion = await self._take()
        try:
            reply = read_reply(await companion.ask(encode_request(job_id, payload)), job_id)
        except (ReplyRefused, Unanswered) as why:
            raise CompanionFailed(f"it gave no answer: {why}; {await finish(self._end(companion))}") from None
        except BaseException:
            await finish(self._end(companion))
            raise
        self._idle.append(companion)
        return reply

    async def _take(self) -> Companion:
        """The one that was used last, and is the warmest."""
        while self._idle:
            companion = self._idle.pop()
            if companion.is_alive:
                return companion
            await finish(self._end(companion))
        return await self._spawn.companion(self._order)

    async def _end(self, companion: Companion) -> str:
        try:
            ended = await companion.end()
        except ProgramNotStarted as refused:
            return why_not_started(self._order, refused)[0]
        except MinderDied as error:
            return str(error)
        return end_text(ended.code, ended.stdout.kept, ended.stderr.kept)

    async def close(self) -> None:
        """End all that nobody waits for."""
        idle, self._idle = self._idle, []
        await finish(asyncio.gather(*(self._end(companion) for companion in idle)))


class CompanionPools:
    """One pool for each event loop that runs jobs of a task: a process talks to one loop only."""

    def __init__(self, make: Callable[[], Companions]) -> None:
        self._make = make
        self._pools: dict[asyncio.AbstractEventLoop, Companions] = {}

    async def ask(self, job_id: str, payload: object) -> object:
        """See ``Companions.ask``."""
        loop = asyncio.get_running_loop()
        if loop not in self._pools:
            self._pools[loop] = self._make()
        return await self._pools[loop].ask(job_id, payload)

    async def ask_once(self, job_id: str, payload: object) -> object:
        """The same, of a companion that is ended afterwards."""
        pool = self._make()
        try:
            return await pool.ask(job_id, payload)
        finally:
            await pool.close()

    async def close_here(self) -> None:
        """A worker on this loop has stopped: its companions end. Another worker that runs here starts new ones."""
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is not None:
            await pool.close()
            if not pool.asked:
                del self._pools[loop]


def _result(reply: Reply) -> object:
    match reply.status:
        case "ok":
            return reply.result
        case "error":
            raise CompanionFailed(reply.message)
        case "throttled":
            raise Throttled(reply.delay)
        case _:
            assert_never(reply.status)
