"""What a proxy is told in lines of text."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from headrace.testing.proxy.answers import Match
from headrace.testing.proxy.faults import Direction, On
from headrace.testing.proxy.proxy import FaultProxy

HELP = """\
latency SECONDS [JITTER] [ON]    slow BYTES_PER_SECOND [ON]         refuse
cut_after BYTES DIRECTION [ON]   blackhole [DIRECTION] [ON]         cut
drop_answers [TIMES [TEXT]]      stall_answers SECONDS [TIMES [TEXT]]
counts                           heal

DIRECTION: to_server, to_client. ON: all (if not given), existing, new. TEXT: what a request has to contain."""


class Command(msgspec.Struct, frozen=True):
    """What is said after its name."""

    rest: str
    numbers: Sequence[str]
    direction: Direction | None
    on: On


def obey(proxy: FaultProxy, line: str) -> str:
    """One line in answer: ``ok``, what was asked for as JSON, or ``error`` and why."""
    name, _, rest = line.strip().partition(" ")
    words = rest.split()
    numbers = [word for word in words if word not in {*Direction, *On}]
    direction = next((way for way in Direction if way in words), None)
    command = Command(rest, numbers, direction, next((on for on in On if on in words), On.ALL))
    if name not in _COMMANDS:
        return f"error {name!r} is no command: it is one of {', '.join(_COMMANDS)}"
    try:
        return _COMMANDS[name](proxy, command) or "ok"
    except (ValueError, TypeError) as error:
        return f"error {error}"


def _cut_after(proxy: FaultProxy, given: Command) -> None:
    if given.direction is None or len(given.numbers) != 1:
        raise ValueError(f"cut_after takes a number of bytes and a direction, {' or '.join(Direction)}")
    proxy.cut_after(int(given.numbers[0]), given.direction, on=given.on)


def _drop_answers(proxy: FaultProxy, given: Command) -> None:
    proxy.drop_answers(*_which(given.rest))


def _stall_answers(proxy: FaultProxy, given: Command) -> None:
    seconds, _, rest = given.rest.partition(" ")
    proxy.stall_answers(float(seconds), *_which(rest))


def _which(said: str) -> tuple[Match | None, int]:
    """Of ``[TIMES [TEXT]]``: what has to match, and how often."""
    times, _, text = said.partition(" ")
    sought = text.strip().encode()
    return (lambda asked: sought in asked) if sought else None, int(times or 1)


_COMMANDS: Mapping[str, Callable[[FaultProxy, Command], str | None]] = {
    "latency": lambda proxy, given: proxy.latency(*map(float, given.numbers), on=given.on),
    "slow": lambda proxy, given: proxy.slow(*map(float, given.numbers), on=given.on),
    "cut": lambda proxy, _: proxy.cut(),
    "cut_after": _cut_after,
    "blackhole": lambda proxy, given: proxy.blackhole(given.direction, on=given.on),
    "refuse": lambda proxy, _: proxy.refuse(),
    "drop_answers": _drop_answers,
    "stall_answers": _stall_answers,
    "heal": lambda proxy, _: proxy.heal(),
    "counts": lambda proxy, _: msgspec.json.encode(proxy.counts).decode(),
}
