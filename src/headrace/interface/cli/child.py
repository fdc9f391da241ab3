"""The worker process that a supervisor starts: ``python -m headrace.interface.cli.child ORDER``."""

import asyncio
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from headrace.interface.app import Headrace
from headrace.interface.cli.applications import load_app, refuse_memory
from headrace.interface.cli.exits import FAILED, OK, USAGE, UsageError, exit_code
from headrace.interface.cli.messages import Done, Opened, Order, Ready, Refused, encode
from headrace.interface.cli.output import complain, prepare_streams
from headrace.interface.logs import configure_logs
from headrace.interface.running import stop_on_signals
from headrace.model.errors import HeadraceError, OneProcessOnly
from headrace.runtime.refusal import LASTING
from headrace.runtime.settings import Settings
from headrace.runtime.worker import Worker
from headrace.system.event_loop import run_to_its_end
from headrace.system.processes import Channel, end_process, end_process_after
from headrace.system.threads import start_thread

_ORPHANED = 1
_MARGIN = 5.0
_LINGER = 5.0
"""Seconds that threads, tasks and exit handlers of the user's get once all is handed back: a handler that ignores
being cancelled may not keep this process."""


class Child:
    """One worker process, from its order to its end."""

    def __init__(self, order: Order, channel: Channel) -> None:
        self._order, self._channel = order, channel
        self._stopping = asyncio.Event()
        self._worker: Worker | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._settings = Settings()
        start_thread("headrace-supervisor-watch", self._watch_supervisor)

    def run(self) -> int:
        """The exit code."""
        try:
            app = load_app(self._order.app, self._order.imports)
            refuse_memory(app)
            configure_logs(self._order.log_format)
            self._settings = app.settings
            code = run_to_its_end(self._serve(app))
        except (HeadraceError, UsageError) as error:
            complain(error)
            if isinstance(error, LASTING):
                self._channel.send(encode(Refused()))
            return exit_code(error)
        except Exception:
            traceback.print_exc()
            return FAILED
        finally:
            self._loop = None
        return code

    async def _serve(self, app: Headrace) -> int:
        self._loop = asyncio.get_running_loop()
        # Any number of signals is one: an init system may send its own to this process, beside the supervisor's.
        with stop_on_signals(self._stopping, lambda: None):
            working = asyncio.ensure_future(self._work(app))
            stopping = asyncio.ensure_future(self._stopping.wait())
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if self._worker is None:
                working.cancel()  # it is still starting: what it holds is given up on the way out
            try:
                await asyncio.wait({working})
                with suppress(TimeoutError):
                    await app.aclose(app.settings.patience)
            finally:
                code = _code_of(working)
                if code == OK:
                    self._channel.send(encode(Done()))
                end_process_after(_LINGER, code)
            if not working.cancelled():
                working.result()
        return OK

    async def _work(self, app: Headrace) -> None:
        slots, settings = app.slots(self._order.queues), app.settings
        if self._order.processes > 1 and app.handles.unopened().capabilities.processes == "one":
            raise OneProcessOnly(app.url, self._order.processes)
        storage = (await app.here()).storage
        self._channel.send(
            encode(
                Opened(
                    app.config.url,
                    storage.capabilities.processes,
                    settings.grace,
                    settings.kill_after,
                    settings.patience,
                    settings.lease,
                )
            )
        )
        async with app.worker(slots, worker_id=self._order.worker_id, end_process=end_process) as worker:
            self._worker = worker
            self._channel.send(encode(Ready(slots)))
            await worker.refusal.unless(self._stopping.wait())

    def _watch_supervisor(self) -> None:
        """What it sends is the order to stop, whatever became of our signal handlers. Its end means "now", or that it
        is gone and nobody else would stop us: hand back what runs, and end."""
        while self._channel.hear():
            self._on_loop(self._stopping.set)
        loop = self._loop
        if loop is None:
            end_process(_ORPHANED)
            return
        self._on_loop(self._stop_now)
        end_process_after(self._settings.kill_after + self._settings.patience + _MARGIN, _ORPHANED)

    def _on_loop(self, do: Callable[[], None]) -> None:
        loop = self._loop
        if loop is None:
            do()
            return
        with suppress(RuntimeError):  # it is closed: we are at our end anyway
            loop.call_soon_threadsafe(do)

    def _stop_now(self) -> None:
        self._stopping.set()
        if self._worker is not None:
            self._worker.hurry()


def _code_of(ended: "asyncio.Future[None]") -> int:
    error = None if ended.cancelled() else ended.exception()
    if isinstance(error, HeadraceError):
        return exit_code(error)
    return OK if error is None else FAILED


def main(arguments: Sequence[str]) -> int:
    """Run the order that is the only argument."""
    prepare_streams()
    try:
        order = msgspec.json.decode(arguments[0], type=Order)
        channel = Channel(order.channel)
    except (IndexError, msgspec.DecodeError, OSError):
        complain("this is the worker process of: headrace worker")
        return USAGE
    return Child(order, channel).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
