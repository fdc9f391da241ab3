"""The proxy: listens, connects each client to the server, and lets the network between them go wrong."""

import asyncio
from collections.abc import Callable, Iterable
from math import inf
from types import TracebackType
from typing import Any, Self

import msgspec

from headrace.model.errors import InvalidOption
from headrace.testing.dice import Dice
from headrace.testing.proxy.answers import Dialogue, Match, Order, QuietDialogue
from headrace.testing.proxy.counts import Counts
from headrace.testing.proxy.faults import BOTH, GOOD, Direction, On
from headrace.testing.proxy.pair import Pair, reset

_HERE = "127.0.0.1"


class FaultProxy:
    """Stands on a port of its own before the server at ``host`` and ``port``, in the loop that opens it.

    Faults are switched on at any time and add to each other, until ``heal``. All methods but ``close`` and ``until``
    act at once. TCP itself stays well, for the proxy's kernel answers for both sides: keepalives find nothing wrong in
    a black hole, and a refused client is connected first and reset then.
    """

    def __init__(
        self, host: str, port: int, *, speaks: Callable[[], Dialogue] = QuietDialogue, seed: int | str = 0
    ) -> None:
        """``speaks`` makes what understands one connection; jitter comes from the seed."""
        self.counts = Counts()
        self._target, self._speaks, self._dice = (host, port), speaks, Dice(seed)
        self._for_new = dict.fromkeys(BOTH, GOOD)
        self._refuses = False
        self._order: Order | None = None
        self._pairs: set[Pair] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._server: asyncio.Server | None = None
        self.port = 0
        """Where it listens, on 127.0.0.1, once it is open."""

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.get_running_loop().create_server(self._accept, _HERE, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Reset all connections and listen no more. Nothing is left behind."""
        self._refuses = True
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        await self.until(lambda: not self._pairs)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connections(self) -> int:
        """How many there are, half-open ones too."""
        return len(self._pairs)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once this is so. It is looked at whenever the proxy does something."""
        if not condition():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((condition, future))
            await future

    def latency(self, seconds: float, jitter: float = 0.0, *, on: On = On.ALL) -> None:
        """Everything takes so long in each direction, and up to ``jitter`` seconds more."""
        _check("latency", seconds, seconds >= 0, "seconds, at least 0")
        _check("jitter", jitter, jitter >= 0, "seconds, at least 0")
        self._change(on, latency=seconds, jitter=jitter)

    def slow(self, bytes_per_second: float, *, on: On = On.ALL) -> None:
        """No more than that passes, in each direction of each connection."""
        _check("bytes_per_second", bytes_per_second, bytes_per_second > 0, "more than 0; blackhole() lets nothing pass")
        self._change(on, bytes_per_second=bytes_per_second)

    def cut(self) -> None:
        """Reset all connections now."""
        for pair in list(self._pairs):
            pair.cut()

    def cut_after(self, length: int, direction: Direction, *, on: On = On.ALL) -> None:
        """Cut each connection once so many bytes more have gone that way. Exactly these arrive; then the receiver sees
        its connection end, and the sender gets a reset."""
        _check("length", length, length >= 0, "bytes, at least 0")
        self._change(on, (direction,), cut_after=length)

    def blackhole(self, direction: Direction | None = None, *, on: On = On.ALL) -> None:
        """Swallow all that goes that way, or both ways, the end of a connection too: each side believes it to be there.
        New ones are accepted, and the server never hears of them where both ways are swallowed."""
        self._change(on, BOTH if direction is None else (direction,), swallows=True)

    def refuse(self) -> None:
        """Reset new connections at once."""
        self._refuses = True

    def drop_answers(self, match: Match | None = None, times: int = 1) -> None:
        """Let the next requests that match be done in full, but drop their answers and reset their connections. An
        answer that tells of a failure is passed on and doesn't count. A new order replaces the last one."""
        self._give(Order(match, times))

    def stall_answers(self, seconds: float = inf, match: Match | None = None, times: int = 1) -> None:
        """Hold up the answers to the next requests that match, and all that follows on their connections, for so many
        seconds, or until ``heal``. A new order, also one of ``drop_answers``, replaces the last one."""
        self._give(Order(match, times, held_up=seconds))

    def heal(self) -> None:
        """All is well again: what was held up arrives, no answer is dropped. What was swallowed can't be brought back:
        connections in a black hole are reset."""
        self._for_new = dict.fromkeys(BOTH, GOOD)
        self._refuses, self._order = False, None
        for pair in list(self._pairs):
            pair.order = None
            if pair.is_swallowed:
                pair.cut()
                continue
            pair.release()
            for pipe in pair.pipes.values():
                pipe.heal()

    def _give(self, order: Order) -> None:
        self._order = order
        for pair in self._pairs:
            pair.order = order

    def _change(self, on: On, ways: Iterable[Direction] = BOTH, **change: Any) -> None:
        for way in ways:
            if on is not On.EXISTING:
                self._for_new[way] = msgspec.structs.replace(self._for_new[way], **change)
            for pair in list(self._pairs) if on is not On.NEW else ():
                pipe = pair.pipes[way]
                pipe.set_conditions(msgspec.structs.replace(pipe.conditions, **change))

    def _accept(self) -> asyncio.Protocol:
        loop = asyncio.get_running_loop()
        self.counts.attempts.append(loop.time())
        if self._refuses:
            self.counts.refused += 1
            self._look()
            return _Refused()
        dice = self._dice.of(str(self.counts.accepted))
        self.counts.accepted += 1
        pair = Pair(self._for_new, lambda way: dice.of(way).entropy, self._speaks(), self.counts, self._hear)
        pair.order = self._order
        self._pairs.add(pair)
        if not all(conditions.swallows for conditions in self._for_new.values()):
            pair.connecting = loop.create_task(self._connect(pair))
            self._connecting.add(pair.connecting)
            pair.connecting.add_done_callback(self._connecting.discard)
        self._look()
        return pair.client

    async def _connect(self, pair: Pair) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: pair.server, *self._target)
        except OSError:
            self.counts.unreachable += 1
            pair.cut()

    def _hear(self, pair: Pair) -> None:
        if pair.is_gone:
            self._pairs.discard(pair)
        self._look()

    def _look(self) -> None:
        """Wake those whose condition is fulfilled."""
        for waiter in [waiter for waiter in self._waiters if waiter[1].done() or waiter[0]()]:
            self._waiters.remove(waiter)
            if not waiter[1].done():
                waiter[1].set_result(None)


class _Refused(asyncio.Protocol):
    """A connection that is reset at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        reset(transport)


def _check(option: str, value: float, is_good: bool, allowed: str) -> None:
    if not is_good:
        raise InvalidOption(option, value, allowed)
