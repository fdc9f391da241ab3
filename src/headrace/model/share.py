"""How the ceiling of a queue is shared among the workers that serve it."""

from collections.abc import Mapping


def share_out(ceiling: int, slots: Mapping[str, int], turn: int) -> dict[str, int]:
    """How many jobs each worker may run, by its id: together the ceiling, or all slots where these are fewer.

    Who has slots enough gets the same as the others, or one more. Who gets that one, and who gets nothing where there
    are more workers than the ceiling allows, goes round with ``turn``.
    """
    shares = dict.fromkeys(slots, 0)
    left = min(max(0, ceiling), sum(slots.values()))
    while left:
        hungry = sorted(worker for worker, share in shares.items() if share < slots[worker])
        each = min(left // len(hungry), min(slots[worker] - shares[worker] for worker in hungry))
        if each == 0:
            first = turn * left % len(hungry)
            hungry, each = (hungry + hungry)[first : first + left], 1
        for worker in hungry:
            shares[worker] += each
        left -= each * len(hungry)
    return shares
