"""Workers' leases, and what becomes of the jobs of those who let them run out."""

from collections.abc import Collection, Sequence

import msgspec

from headrace.model.change import reclaimed
from headrace.model.job import Job
from headrace.storage.contract import Beat, Holding
from headrace.storage.sqlite.queries import load_queries
from headrace.storage.sqlite.transaction import Transaction, json_text

_LEASE = load_queries("lease")
_leases = msgspec.json.Decoder(dict[str, int])
_places = msgspec.json.Decoder(list[int])


def beat(transaction: Transaction, worker: str, holding: Sequence[Holding], ttl: float) -> Beat:
    """Renews the lease, tells what was lost and what shall stop."""
    transaction.run(_LEASE["extend"], (worker, transaction.boot_id, transaction.boot + round(ttl * 1000)))
    lost: list[str] = []
    if holding:
        wanted = json_text([(one.job_id, one.generation) for one in holding])
        kept = set(_places.decode(transaction.text(_LEASE["held"], (wanted, worker))))
        lost = [one.job_id for place, one in enumerate(holding) if place not in kept]
    return Beat(lost, transaction.ids(_LEASE["stopping"], (worker,)))


def leases(transaction: Transaction) -> dict[str, float]:
    """Of every worker that is not forgotten."""
    found = _leases.decode(transaction.text(_LEASE["leases"], (transaction.boot_id, transaction.boot)))
    return {worker: left / 1000 for worker, left in found.items()}


def nothing_to_reclaim(transaction: Transaction, worker: str) -> bool:
    """Whether a reclaim would do nothing, and needs no lock."""
    where = (worker, transaction.boot_id, transaction.boot)
    return not transaction.value(_LEASE["reclaim_wanted"], where)


def reclaim(transaction: Transaction, worker: str, limit: int, queues: Collection[str] | None) -> list[Job]:
    """Takes over what expired workers left."""
    boot_id, boot = transaction.boot_id, transaction.boot
    if not transaction.value(_LEASE["alive"], (worker, boot_id, boot)):
        return []
    among = None if queues is None else json_text(list(queues))
    jobs = transaction.jobs(_LEASE["orphans"], (boot_id, boot, among, max(0, limit)))
    if jobs:
        transaction.run(_LEASE["take_over"], (json_text([job.id for job in jobs]), worker))
    transaction.run(_LEASE["forget_workers"], (boot_id, boot))
    return [reclaimed(job, worker) for job in jobs]
