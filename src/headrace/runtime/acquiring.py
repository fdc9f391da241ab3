"""Permits in the middle of a handler."""

import asyncio

from headrace.model.errors import NoCurrentJob, NotInProcess, UseAsync
from headrace.model.names import check_name
from headrace.runtime.attempt import running
from headrace.runtime.limiter import Limiter
from headrace.runtime.loop import loop_turns


async def acquire(limit: str) -> None:
    """Take one permit of this limit, in a handler. Waits at most a second, then raises Throttled: the job comes again
    when there may be one, no attempt burned. UnknownLimit where nobody declared it."""
    await _limiter("acquire()").acquire(check_name("limit", limit))


def acquire_sync(limit: str) -> None:
    """``acquire`` for handlers that are a plain ``def``."""
    limiter = _limiter("acquire_sync()")
    check_name("limit", limit)
    if loop_turns():
        raise UseAsync("acquire")
    asyncio.run_coroutine_threadsafe(limiter.acquire(limit), limiter.loop).result()


def _limiter(what: str) -> Limiter:
    attempt = running.get(None)
    if attempt is None:
        raise NoCurrentJob(what)
    if attempt.services.limiter is None:
        raise NotInProcess(what, 'name the limit on the task instead: limits=["..."]')
    return attempt.services.limiter
