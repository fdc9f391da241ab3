"""Where handlers run on the loop: a lane is one task that takes attempts from the backlog, one after another.

Starting a task costs more than a small handler. A lane runs many: it starts help only while attempts wait, so that
handlers which never wait share one task, and handlers which do get one each.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context

from headrace.runtime.attempt import Attempt, running
from headrace.runtime.loop import loop_turns, turn
from headrace.system.clock import Clock

_HELP = 2
"""How many lanes a starting one starts: a hundred are there after seven turns of the loop."""
_SLICE = 0.005
"""Seconds after which a lane lets the loop turn, though none of its handlers waited."""


class Lanes:
    """Runs every attempt that is put in. How many run at once, the slots decide."""

    def __init__(self, run: Callable[[Attempt, asyncio.Task[None]], Awaitable[None]], clock: Clock) -> None:
        """``run`` is given an attempt and the task it runs in."""
        self._run = run
        self._clock = clock
        self._backlog: deque[Attempt] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._context = copy_context()
        self._others = [(variable, value) for variable, value in self._context.items() if variable is not running]

    def put(self, attempts: Sequence[Attempt]) -> None:
        """Run these, in order."""
        self._backlog.extend(attempts)
        self._help()

    async def join(self, seconds: float) -> bool:
        """Whether all lanes ended within ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                while self._tasks:  # a lane may start others
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            return False
        return True

    def _help(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(min(_HELP, len(self._backlog))):
            task = loop.create_task(self._serve(), name="headrace-lane", context=self._context.copy())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        turned = self._clock.monotonic()
        first = True
        while self._backlog:
            attempt = self._backlog.popleft()
            if first and self._backlog:
                self._help()
            first = False
            try:
                await self._run(attempt, task)
            except GeneratorExit:
                if not loop_turns():  # the lane itself is being closed
                    raise
            attempt.ended_at = now = self._clock.monotonic()
            if task.cancelling() or self._is_touched():  # what a handler left behind ends with its lane
                self._help()
                return
            if now - turned > _SLICE:
                await turn()
                turned = self._clock.monotonic()

    def _is_touched(self) -> bool:
        """Whether a handler changed context variables: the next handler is none of its business."""
        now = copy_context()
        others = self._others
        if len(now) != len(others) + 1:
            return True
        # mostly there are none, and a generator that any() asks for nothing is dear on the path of every attempt
        return bool(others) and any(now.get(variable) is not value for variable, value in others)
