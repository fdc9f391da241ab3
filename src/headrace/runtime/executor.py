"""One attempt: decode, middleware, handler, timeout -> outcome. Deciding what follows is not its business."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from functools import partial
from os import getpid

from headrace.model.codec import Call, decode_result, encode_result
from headrace.model.job import Job
from headrace.model.outcome import Control, Failure, Outcome, Raised, Returned, Stopped
from headrace.runtime.attempt import Attempt, Stop, running
from headrace.runtime.failure import AnsweredInProcess, outcome_of
from headrace.runtime.process import Answered, Assignment, hear
from headrace.runtime.registry import Where
from headrace.system.forks import Home
from headrace.system.spawn import Processes, Threads

CallNext = Callable[[Job], Awaitable[object]]
Middleware = Callable[[Job, CallNext], Awaitable[object]]
"""Wraps every attempt: ``async def middleware(job, call_next)`` returns what ``await call_next(job)`` returned."""

_LOOP, _THREAD = Where.LOOP, Where.THREAD
_NOTHING = Returned()


class Executor:
    """Runs attempts; one for all lanes of a worker."""

    def __init__(self, middleware: Sequence[Middleware], threads: Threads, processes: Callable[[], Processes]) -> None:
        self._middleware = tuple(middleware)
        self._threads = threads
        self._processes = processes
        self._home = Home()

    async def run(self, attempt: Attempt, task: asyncio.Task[None]) -> Outcome | Stop:
        """In this task. The outcome; or INTERRUPT or LOST where there is none to record."""
        running.set(attempt)
        handler = attempt.handler
        timeout = attempt.timeout
        timer = asyncio.get_running_loop().call_later(timeout, attempt.stop_for, Stop.TIMEOUT) if timeout else None
        if handler.where is not _THREAD:
            attempt.task = task
        try:
            if attempt.stop is not None:
                raise asyncio.CancelledError
            if self._middleware:
                value = await self._wrapped(attempt)
            elif handler.where is _LOOP:  # as _invoke does: a call less for the most common kind
                call = handler.read(attempt.job)
                value = await handler.function(*call.args, **call.kwargs)  # type: ignore[misc] # is_async says so
            else:
                value = await self._invoke(attempt)
            return _NOTHING if value is None and attempt.stop is None else _answer(attempt, value)
        except BaseException as error:
            return _classify(attempt, error)
        finally:
            if getpid() != self._home.pid:  # a call less on the path of every attempt
                self._home.end_fork()
            attempt.task = None
            if timer is not None:
                timer.cancel()
            if attempt.stop is not None:
                while task.cancelling():
                    task.uncancel()

    async def _wrapped(self, attempt: Attempt) -> object:
        async def innermost(_: Job) -> object:
            return await self._invoke(attempt)

        chain: CallNext = innermost
        for middleware in reversed(self._middleware):
            chain = partial(_pass_on, middleware, chain)
        return await chain(attempt.job)

    async def _invoke(self, attempt: Attempt) -> object:
        handler = attempt.handler
        if handler.where is Where.PROCESS:
            return await self._run_in_process(attempt)
        call = handler.read(attempt.job)
        if handler.where is _THREAD:
            return await self._run_in_thread(attempt, call)
        return await handler.function(*call.args, **call.kwargs)  # type: ignore[misc] # is_async says so

    async def _run_in_thread(self, attempt: Attempt, call: Call) -> object:
        function = partial(copy_context().run, attempt.handler.function, *call.args, **call.kwargs)
        attempt.waiting = asyncio.current_task()
        try:
            answer = await self._threads.run(partial(_call, function, self._home))
        finally:
            attempt.waiting = None
        if isinstance(answer, _Escaped):
            raise answer.error
        return answer

    async def _run_in_process(self, attempt: Attempt) -> object:
        assignment = Assignment(attempt.handler.origin, attempt.job)
        answered = Answered.decode(await self._processes().run(assignment.encode(), partial(hear, attempt)))
        outcome = answered.outcome
        if answered.jobs or answered.puts:
            attempt.services.notebook.follow(attempt, answered.jobs, answered.puts)
        if not isinstance(outcome, Returned):
            raise AnsweredInProcess(outcome)
        if outcome.result is None:
            return None if outcome.result_error is None else outcome
        return decode_result(outcome.result.decode(), attempt.handler.returns)


class _Escaped:
    """An exception on its way out of a thread: a future would not carry each of them (GeneratorExit closes the
    coroutine that waits)."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _call(function: Callable[[], object], home: Home) -> object:
    try:
        return function()
    except BaseException as error:
        return _Escaped(error)
    finally:
        home.end_fork()


async def _pass_on(middleware: Middleware, inner: CallNext, job: Job) -> object:
    return await middleware(job, inner)


def _answer(attempt: Attempt, value: object) -> Outcome | Stop:
    if attempt.stop is Stop.LOST:
        return Stop.LOST
    if attempt.stop is Stop.TIMEOUT and attempt.handler.where is _THREAD:
        return _timed_out(attempt)
    if value is None:
        return _NOTHING
    if isinstance(value, Returned):  # from a process, where it could not be encoded
        return value
    return Returned(*encode_result(value, attempt.handler.returns))


def _timed_out(attempt: Attempt) -> Raised:
    return Raised(Failure("Timeout", f"ran longer than timeout={attempt.timeout:g} s"))


def _classify(attempt: Attempt, error: BaseException) -> Outcome | Stop:
    """Our own flag decides what a cancellation was, never the exception's type alone."""
    match attempt.stop:
        case Stop.LOST:
            return Stop.LOST
        case Stop.INTERRUPT if not isinstance(error, Control):  # what its clean-up raised included
            return Stop.INTERRUPT
        case Stop.TIMEOUT if isinstance(error, asyncio.CancelledError) or attempt.handler.where is _THREAD:
            return _timed_out(attempt)
        case Stop.CANCEL:
            return Stopped("cancelled on request")
        case _:
            return outcome_of(error, attempt.handler)
