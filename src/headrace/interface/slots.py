"""How many jobs of each queue a worker runs at once: as given in code, on a command line, in the environment."""

from collections.abc import Mapping, Sequence

from headrace.interface.config import check_count
from headrace.model.errors import InvalidOption
from headrace.model.names import check_name
from headrace.runtime.settings import CONCURRENCY

Queues = Mapping[str, int] | Sequence[str] | None
"""Slots by queue; or names, with 4 slots each; or None: what ``HEADRACE_QUEUES`` says, else all queues that tasks
name."""

MOST_SLOTS = 10_000


def check_slots(queues: Mapping[str, int] | Sequence[str]) -> Mapping[str, int]:
    """Slots by queue, or InvalidOption."""
    if isinstance(queues, str):
        raise InvalidOption("queues", queues, "it must be a mapping of queues to slots, or a list of queues")
    chosen = dict(queues) if isinstance(queues, Mapping) else dict.fromkeys(queues, CONCURRENCY)
    if not chosen:
        raise InvalidOption("queues", queues, "name at least one queue")
    return {
        check_name("queue", name): check_count(f"queues[{name!r}]", count, most=MOST_SLOTS)
        for name, count in chosen.items()
    }


def parse_slots(text: str, option: str) -> Mapping[str, int]:
    """``default:10,email`` as slots by queue, or an error that names ``option`` or the queue."""
    slots: dict[str, int] = {}
    for part in text.split(","):
        name, separator, count = part.strip().partition(":")
        check_name("queue", name)
        if name in slots:
            raise InvalidOption(option, text, f"queue {name!r} is named twice")
        number = int(count) if count.isascii() and count.isdecimal() and len(count) < 10 else count
        slots[name] = check_count(f"slots of {name}", number, most=MOST_SLOTS) if separator else CONCURRENCY
    return slots
