"""Small named records, changed by compare-and-set. A ttl runs on the clock of leases."""

from collections.abc import Collection, Sequence

from headrace.model.record import Put, Record
from headrace.storage.postgres import drafting
from headrace.storage.postgres.queries import load_queries
from headrace.storage.postgres.statement import Statement, Steps
from headrace.storage.postgres.telling import Told

_RECORDS = load_queries("records")


def put(told: Told, puts: Sequence[Put]) -> Steps[list[bool]]:
    """Each by itself."""
    draft = yield from drafting.begin(told)
    yield from drafting.load_records(draft, puts)
    done = [draft.put_all((one,)) is None for one in puts]
    yield from drafting.write_records(draft)
    return done


def list_records(
    told: Told, kind: str, names: Collection[str] | None, after: str | None, limit: int | None
) -> Steps[list[Record]]:
    """Those that have not lapsed, by name."""
    where = (told.latest, kind, after, limit)
    if names is None:
        rows = yield Statement(_RECORDS["list"], where)
    else:
        rows = yield Statement(_RECORDS["list_names"], (*where, list(names)))
    return [Record(*row) for row in rows]
