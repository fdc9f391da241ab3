"""In every window of time a limit gives out no more permits than its burst, and what comes back in that time."""

from collections.abc import Iterator, Sequence

from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index
from headrace.testing.history.records import Bought, Declared
from headrace.testing.history.verdict import Kind

Sale = tuple[int, Bought]


def find_oversold(index: Index) -> Iterator[Finding]:
    """PERMITS: in whole numbers, over every window that lies between two declarations of the limit."""
    if not index.scope.steady:
        return
    for told in index.permits.values():
        in_order = sorted(told, key=lambda one: (one[1].at, isinstance(one[1], Bought), one[0]))
        rule: tuple[int, Declared] | None = None
        sales: list[Sale] = []
        for place, record in in_order:
            if isinstance(record, Bought):
                sales.append((place, record))
            elif rule is None or _numbers(record) != _numbers(rule[1]):
                yield from _judge(index, rule, sales)
                rule, sales = (place, record), []
        yield from _judge(index, rule, sales)


def _numbers(rule: Declared) -> tuple[int, int, int]:
    return rule.count, rule.period, rule.burst


def _judge(index: Index, rule: tuple[int, Declared] | None, sales: Sequence[Sale]) -> Iterator[Finding]:
    """A permit is ``period`` drops, and ``count`` drops come back each millisecond. The worst window that ends at a
    sale begins where permits given out before, in drops, less what had come back, were fewest."""
    if rule is None:
        return
    where, limit = rule
    most = limit.burst * limit.period + limit.count * 2 * index.scope.slack
    sold, least = 0, None
    for number, (_, sale) in enumerate(sales):
        begin = sold * limit.period - limit.count * sale.at
        least = begin if least is None else min(least, begin)
        sold += sale.number
        if sale.number > 0 and sold * limit.period - limit.count * sale.at - least > most:
            window = _shortest(limit, sales[: number + 1], most)
            first, last = window[0][1], window[-1][1]
            given, length = sum(one.number for _, one in window), last.at - first.at
            allowed = (limit.burst * limit.period + limit.count * length) // limit.period
            what = f"limit {limit.limit} gave out {given} permits in the {length} ms from {first.at} to {last.at};"
            what += f" {allowed} are allowed"
            yield Finding(Kind.PERMITS, what, (), (where, *(place for place, _ in window)))
            return  # whatever comes after it is late as well


def _shortest(limit: Declared, sales: Sequence[Sale], most: int) -> Sequence[Sale]:
    """The fewest sales, back from the last one, that are too many."""
    given, last = 0, sales[-1][1].at
    for number in range(len(sales) - 1, -1, -1):
        sale = sales[number][1]
        given += sale.number
        if given * limit.period - limit.count * (last - sale.at) > most:
            return sales[number:]
    return sales
