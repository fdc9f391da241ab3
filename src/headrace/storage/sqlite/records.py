"""Small named records, changed by compare-and-set. A ttl runs on the clock of leases."""

from collections.abc import Collection, Sequence

import msgspec

from headrace.model.record import QUEUE, Expect, Put, Record
from headrace.storage.sqlite.queries import load_queries
from headrace.storage.sqlite.transaction import Parameters, Transaction, json_text

_RECORDS = load_queries("records")
_records = msgspec.json.Decoder(list[Record])

_Version = dict[tuple[str, str], int]


def put(transaction: Transaction, puts: Sequence[Put]) -> list[bool]:
    """Each by itself."""
    return [write_all(transaction, (one,)) is None for one in puts]


def write_all(transaction: Transaction, puts: Sequence[Put]) -> Put | None:
    """All of these puts, one after another; or none, and the first that loses."""
    versions: _Version = {}
    written: list[tuple[Put, int]] = []
    for one in puts:
        name = (one.kind, one.name)
        version = versions[name] if name in versions else _version(transaction, one)
        if one.expect is not Expect.ANY and version != (0 if one.expect is Expect.ABSENT else one.expect):
            return one
        versions[name] = 0 if one.value is None else version + 1
        written.append((one, versions[name]))
        if one.ttl is not None and round(one.ttl * 1000) <= 0:
            versions[name] = 0  # it lapses as it is written
    for one, version in {(one.kind, one.name): (one, version) for one, version in written}.values():
        _write(transaction, one, version)
    return None


def _version(transaction: Transaction, one: Put) -> int:
    where = (one.kind, one.name, transaction.boot_id, transaction.boot)
    return int(transaction.value(_RECORDS["record"], where) or 0)


def _write(transaction: Transaction, one: Put, version: int) -> None:
    transaction.topics.add(f"record:{one.kind}")
    if one.kind == QUEUE:
        transaction.topics.add(f"queue:{one.name}")
    if one.value is None:
        transaction.run(_RECORDS["remove_record"], (one.kind, one.name))
        return
    boot_id, lapses_at = None, None
    if one.ttl is not None:
        boot_id, lapses_at = transaction.boot_id, transaction.boot + round(one.ttl * 1000)
    transaction.run(_RECORDS["write_record"], (one.kind, one.name, one.value, version, boot_id, lapses_at))


def list_records(
    transaction: Transaction, kind: str, names: Collection[str] | None, after: str | None, limit: int | None
) -> list[Record]:
    """Those that have not lapsed, by name."""
    first = "" if after is None else after + "\0"  # the least name above it
    where: Parameters = (kind, transaction.boot_id, transaction.boot, first, -1 if limit is None else limit)
    if names is None:
        return _records.decode(transaction.text(_RECORDS["records"], where))
    wanted = json_text(list(set(names)))
    return _records.decode(transaction.text(_RECORDS["records_by_name"], (*where, wanted)))


def forget_lapsed_records(transaction: Transaction) -> None:
    """Drops what counts as absent already."""
    where = (transaction.boot_id, transaction.boot)
    if transaction.value(_RECORDS["any_lapsed_record"], where):
        transaction.run(_RECORDS["forget_lapsed_records"], where)
