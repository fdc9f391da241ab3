"""The app: one object to declare tasks on, to enqueue with, and to run workers from."""

import asyncio
import sys
from types import TracebackType
from typing import Self, Unpack

from headrace.interface.blocking import Blocking
from headrace.interface.builtins import Builtins
from headrace.interface.config import Options
from headrace.interface.running import Running
from headrace.model.duration import Duration, seconds


class CloseTimeout(RuntimeError):
    """Storage calls or listeners did not end in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"storage calls or listeners were still busy after {seconds:g} s; they are left behind")


class Headrace(Blocking, Builtins, Running):
    """A job queue behind one storage URL.

    ``url`` defaults to ``HEADRACE_URL`` in the environment, then ``sqlite:///headrace.db``. Options are durations,
    as ``timedelta``, seconds or text such as ``"30s"``, and a few more: ``lease``, ``beat``, ``poll``, ``reap``,
    ``grace``, ``patience``, ``kill_after``, ``unknown_task_grace``, ``auto_migrate``, ``crash_budget``,
    ``max_payload``, ``retention``, ``retry``. Nothing is opened before the first use.
    """

    def __init__(self, url: str | None = None, **options: Unpack[Options]) -> None:
        super().__init__(url, options)
        self.start_hooks, self.stop_hooks, self.middleware = [], [], []

    async def aclose(self, timeout: Duration = 25) -> None:
        """Let go of the store, once what is under way is answered. Further calls raise AppClosed. Idempotent."""
        limit = seconds(timeout, "timeout")
        try:
            if not self.handles.closed:
                async with asyncio.timeout(limit):
                    await self.handles.close()
                    await self.bus.close()
        except TimeoutError:
            self.report("aclose", CloseTimeout(limit))
        finally:
            self.portal.close()

    def close(self, timeout: Duration = 25) -> None:
        """The sync twin of ``aclose``."""
        if not self.handles.closed and not sys.is_finalizing():
            self.block("aclose", self.aclose, timeout)

    async def __aenter__(self) -> Self:
        await self.here()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Headrace {self.url}>"
