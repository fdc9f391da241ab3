"""Keeps worker processes alive: starts them, starts others where they die, passes stop orders on.

It never imports the user's code, so nothing in there can take it down. What it has to know of the app its children
tell it, through a channel that also tells them when it is gone.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from headrace.interface.cli.exits import FAILED, OK
from headrace.interface.cli.freeing import Freeing
from headrace.interface.cli.messages import Done, Opened, Order, Ready, Refused, Stop, decode, encode
from headrace.interface.cli.respawning import Death, GiveUp, Past, ending, judge
from headrace.system.clock import Clock
from headrace.system.ids import Entropy, Ids
from headrace.system.processes import Child, start_child

logger = logging.getLogger("headrace")

Launch = Callable[[Order], Awaitable[Child]]
_MARGIN = 5.0
"""Seconds beyond what a stop may take by its own rules, before a child is killed."""
_LAST_WORDS = 0.5
"""Seconds in which to hear what a child that has ended said before."""
_MOST_SIGNALS = 2


async def launch(order: Order) -> Child:
    """Start a real one."""
    return await start_child(
        "headrace.interface.cli.child",
        lambda descriptor: [msgspec.structs.replace(order, channel=descriptor).encode()],
    )


class _Progress:
    """How far a child has come."""

    opened: Opened | None = None
    ready_at: float | None = None
    done = False
    refused = False


class Supervisor:
    """Runs until told to stop, or until a child can't be kept alive. ``run`` gives the exit code."""

    def __init__(
        self,
        order: Order,
        processes: int,
        *,
        launch: Launch,
        freeing: Freeing,
        clock: Clock,
        ids: Ids,
        entropy: Entropy,
        mends: bool = False,
    ) -> None:
        self._order, self._processes, self._launch = order, processes, launch
        self._freeing, self._clock, self._ids, self._entropy = freeing, clock, ids, entropy
        self._mends = mends
        """Whether ``restart`` will come when the user has mended what keeps children from starting."""
        self._living: set[Child] = set()
        self._opened: Opened | None = None
        self._may_go_on = asyncio.Event()
        """The first child goes ahead until it has opened the store: what is wrong is said once, not by each."""
        self._told: set[Child] = set()
        """Children that were told to stop."""
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        """Set at the next restart, which puts a new one here: whoever took this one before misses none."""
        self._signals = 0
        self._killing: asyncio.TimerHandle | None = None
        self._ever_ready = False
        self._code = OK

    async def run(self) -> int:
        """The exit code: 0 after a clean stop."""
        places = [asyncio.create_task(self._keep(number)) for number in range(self._processes)]
        try:
            await asyncio.gather(*places)
        finally:
            for place in places:
                place.cancel()
            if self._killing is not None:
                self._killing.cancel()
            for child in self._living:  # none, unless something here failed
                child.send(signal.SIGKILL)
            await self._freeing.close()
        return self._code

    def stop(self) -> None:
        """The first time: let children finish within their grace. The second: have them hand back now."""
        self._signals += 1
        if self._signals <= _MOST_SIGNALS:
            logger.info("stopping" if self._signals == 1 else "stopping now: running jobs are handed back")
            self._stop_children()

    def _stop_children(self) -> None:
        self._stopping.set()
        self._may_go_on.set()
        for child in self._living:
            self._tell(child, now=self._signals > 1)
        self._kill_later()

    def restart(self) -> None:
        """Have all children hand back now, and start others on what the code is by now."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        for child in self._living:
            self._tell(child, now=True)

    def _tell(self, child: Child, *, now: bool) -> None:
        """Once, by a signal and by a line, since a handler may have switched the one off; "now" by the end of the
        channel, which can't melt into what was sent before."""
        if child not in self._told:
            self._told.add(child)
            child.send(signal.SIGTERM)
            child.tell(encode(Stop()))
        if now:
            child.hang_up()

    # --- one place ---------------------------------------------------------------------------------------------------

    async def _keep(self, number: int) -> None:
        """A living child in this place, one after another, until the stop."""
        past = Past()
        if number > 0:
            await self._may_go_on.wait()
        while not self._stopping.is_set():
            changed = self._changed
            death = await self._live()
            if self._stopping.is_set():
                return
            past, delay = self._follow(past, death, meant=changed.is_set())
            await self._pause(delay, changed)

    async def _live(self) -> Death:
        """One child, from its start to its end, and to the end of its lease."""
        worker_id = self._ids.new()
        try:
            child = await self._launch(msgspec.structs.replace(self._order, worker_id=worker_id))
        except OSError as error:  # no memory or process left, for now
            logger.error("a worker process could not be started: %s", error)
            return Death(FAILED, None)
        self._living.add(child)
        if self._stopping.is_set():  # told while it was being started
            self._tell(child, now=self._signals > 1)
        progress = _Progress()
        listening = asyncio.create_task(self._listen(child, worker_id, progress))
        code = await child.wait()
        # What it forked may hold the channel open: its end is no sign of life.
        await asyncio.wait({listening}, timeout=_LAST_WORDS)
        listening.cancel()
        self._living.discard(child)
        self._told.discard(child)
        child.close()
        await self._bury(worker_id, progress, code)
        ready_at = progress.ready_at
        return Death(code, None if ready_at is None else self._clock.monotonic() - ready_at, progress.refused)

    async def _listen(self, child: Child, worker_id: str, progress: "_Progress") -> None:
        while line := await child.hear():
            match decode(line):
                case Opened() as message:
                    self._opened = progress.opened = message
                    self._may_go_on.set()
                case Ready(queues):
                    progress.ready_at, self._ever_ready = self._clock.monotonic(), True
                    _tell_ready(child, worker_id, queues)
                case Done():
                    progress.done = True
                case Refused():
                    progress.refused = True

    async def _bury(self, worker_id: str, progress: "_Progress", code: int) -> None:
        """Free what it may have held. One that never opened the store, or gave all back, held nothing."""
        if progress.opened is None or progress.done or progress.refused:
            return
        await self._freeing.free(worker_id, progress.opened)
        if self._stopping.is_set():
            logger.error("worker %s did not stop cleanly: %s", worker_id[-8:], ending(code))
            self._code = self._code or FAILED

    def _follow(self, past: Past, death: Death, *, meant: bool) -> tuple[Past, float | None]:
        """What is remembered, and how long to wait; None: until the code changes."""
        if meant:
            return Past(), 0.0
        verdict = judge(past, death, ever_ready=self._ever_ready, random=self._entropy())
        if isinstance(verdict, GiveUp):
            if self._mends:
                logger.error("%s: %s; waiting for the code to change", verdict.why, ending(death.code))
                return Past(), None
            logger.error("%s (%s): giving up", verdict.why, ending(death.code))
            self._code = verdict.code
            self._stop_children()
            return past, 0.0
        logger.warning("worker process died: %s; another starts in %.1f s", ending(death.code), verdict.delay)
        return verdict.past, verdict.delay

    async def _pause(self, delay: float | None, changed: asyncio.Event) -> None:
        """For this long, or until the stop, or until the code changes."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._stopping, changed)]
        if delay is not None:
            waiting.append(asyncio.ensure_future(self._clock.sleep(delay)))  # type: ignore[arg-type]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for future in waiting:
            future.cancel()

    # --- the end -----------------------------------------------------------------------------------------------------

    def _kill_later(self) -> None:
        """A child that is not gone when its own rules say so is killed: a stop always ends."""
        if self._killing is not None:
            self._killing.cancel()
        self._killing = asyncio.get_running_loop().call_later(self._patience(), self._kill)

    def _patience(self) -> float:
        if self._opened is None:
            return _MARGIN
        grace = self._opened.grace if self._signals < _MOST_SIGNALS else 0.0
        return grace + self._opened.kill_after + self._opened.patience + _MARGIN

    def _kill(self) -> None:
        for child in self._living:
            logger.error("pid %d did not stop in time: killed", child.pid)
            child.send(signal.SIGKILL)


def _tell_ready(child: Child, worker_id: str, queues: Mapping[str, int]) -> None:
    text = " ".join(f"{name}:{count}" for name, count in queues.items())
    extra = {"event": "worker_ready", "worker": worker_id, "child": child.pid, "queues": queues}
    logger.info("worker %s ready: pid %d, queues %s", worker_id[-8:], child.pid, text, extra=extra)


def watched_signals() -> Sequence[signal.Signals]:
    """What stops a supervisor. A hang-up of the terminal does too, unless nohup had it ignored."""
    stops = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        stops.append(signal.SIGHUP)
    return stops
