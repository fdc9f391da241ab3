"""New jobs become rows."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from headrace.model.change import inserted
from headrace.model.errors import PutLost
from headrace.model.job import DEFAULT_OPTIONS, Encoding, NewJob, Until
from headrace.model.record import Put
from headrace.model.state import State
from headrace.storage.contract import Receipt
from headrace.storage.keeping import kept_for
from headrace.storage.sqlite.chunks import chunked, many_rows
from headrace.storage.sqlite.keys import find_holders, hold
from headrace.storage.sqlite.queries import load_queries
from headrace.storage.sqlite.records import write_all
from headrace.storage.sqlite.transaction import Parameters, Transaction, json_text

_ROWS = load_queries("rows")
_INSERT = """INSERT INTO jobs (
    id, queue, task, state, priority, due_at, enqueued_at, payload, encoding, until, key, options, retention
) VALUES {rows} ON CONFLICT (id) DO NOTHING"""
_JSON, _FINISHED, _PENDING = Encoding.JSON, Until.FINISHED, State.PENDING
_moves = msgspec.json.Decoder(list[tuple[str, State, int]])
_fingerprint = msgspec.json.Decoder(tuple[str, str, Encoding])


def insert(transaction: Transaction, jobs: Sequence[NewJob], puts: Sequence[Put]) -> list[Receipt[object]]:
    """All of them, or PutLost."""
    lost = write_all(transaction, puts)
    if lost is not None:
        raise PutLost(lost.kind, lost.name)
    return insert_jobs(transaction, jobs)


def insert_jobs(transaction: Transaction, jobs: Sequence[NewJob]) -> list[Receipt[object]]:
    """Rows, keys, counts and notices of new jobs."""
    plain = all(map(_is_plain, jobs))
    if plain or not any(new.key is not None or new.puts for new in jobs):
        receipts: list[Receipt[object]] = [Receipt(new.id) for new in jobs]
    else:
        jobs, receipts = _sifted(transaction, jobs)
        for new in jobs:
            write_all(transaction, new.puts)
    if jobs:
        _write(transaction, jobs, plain=plain)
        transaction.topics.update([f"queue:{queue}" for queue in {new.queue for new in jobs}])
    return receipts


def _write(transaction: Transaction, jobs: Sequence[NewJob], *, plain: bool) -> None:
    now = transaction.now
    template, parameters = (_plain_row, _plain_parameters) if plain else (_any_row, _any_parameters)
    written = 0
    for chunk in chunked(jobs):
        written += transaction.run(many_rows(_INSERT, template, len(chunk)), parameters(chunk, now))
    if written < len(jobs):
        for queue, state, number in _moves.decode(transaction.text(_ROWS["last_inserted"], (written,))):
            transaction.move(queue, None, state, number)
    elif plain:
        for queue, number in Counter([new.queue for new in jobs]).items():
            transaction.move(queue, None, _PENDING, number)
    else:
        for new in jobs:
            transaction.move(new.queue, None, inserted(new, now).state)


def _is_plain(new: NewJob) -> bool:
    """Of what most are, for which few columns say all."""
    return (
        new.at is None
        and new.delay == 0
        and new.key is None
        and (new.options is DEFAULT_OPTIONS or new.options == DEFAULT_OPTIONS)
        and new.until is _FINISHED
        and new.encoding is _JSON
        and not new.puts
    )


def _plain_row(number: int) -> str:
    first = 2 + number * 5
    return (
        f"(?{first},?{first + 1},?{first + 2},'pending',?{first + 3},?1,?1,?{first + 4},"
        "'json','finished',NULL,'{}',NULL)"
    )


def _plain_parameters(jobs: Sequence[NewJob], now: int) -> Parameters:
    parameters: list[str | int | float | None] = [now]
    for new in jobs:
        parameters += (new.id, new.queue, new.task, new.priority, new.payload)
    return parameters


def _any_row(number: int) -> str:
    first = 2 + number * 12
    own = [f"?{place}" for place in range(first, first + 12)]
    return f"({','.join([*own[:6], '?1', *own[6:]])})"


def _any_parameters(jobs: Sequence[NewJob], now: int) -> Parameters:
    parameters: list[str | int | float | None] = [now]
    for new in jobs:
        job, options = inserted(new, now), new.options
        retention = None if options.retention is None else kept_for(options, job.state)
        parameters += (new.id, new.queue, new.task, job.state, new.priority, job.due_at)
        parameters += (new.payload, new.encoding, new.until, new.key, json_text(options), retention)
    return parameters


def _sifted(transaction: Transaction, jobs: Sequence[NewJob]) -> tuple[list[NewJob], list[Receipt[object]]]:
    """Leaves out jobs that are there already, and those whose key is held; keys of the others are theirs now."""
    there = set(transaction.ids(_ROWS["ids_there"], (json_text([new.id for new in jobs]),)))
    holders = find_holders(transaction, [(new.queue, new.key) for new in jobs if new.key is not None])
    fresh: dict[str, NewJob] = {}
    receipts: list[Receipt[object]] = []
    for new in jobs:
        if new.id not in there and new.id not in fresh:
            holder = None if new.key is None else holders.get((new.queue, new.key))
            if holder is not None:
                receipts.append(Receipt(holder, True, _differs(transaction, new, holder, fresh)))
                continue
            if new.key is not None:
                holders[new.queue, new.key] = new.id
            fresh[new.id] = new
        receipts.append(Receipt(new.id))
    hold(transaction, fresh.values())
    return list(fresh.values()), receipts


def _differs(transaction: Transaction, new: NewJob, holder: str, fresh: dict[str, NewJob]) -> bool:
    mine = (new.task, new.payload, new.encoding)
    other = fresh.get(holder)
    if other is not None:
        return mine != (other.task, other.payload, other.encoding)
    found = transaction.value(_ROWS["fingerprint"], (holder,))
    return found is not None and mine != _fingerprint.decode(str(found))
