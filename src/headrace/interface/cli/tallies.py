"""What a move has moved, for people and for programs."""

from collections.abc import Iterator, Mapping

from headrace.interface.cli.output import Json, plural
from headrace.runtime.census import Census
from headrace.runtime.moving import Moved


def census_fields(census: Census) -> Iterator[str]:
    """A line for each kind of rows that there is."""
    jobs = sum(census.jobs.values())
    if jobs:
        yield f"{plural(jobs, 'job')}: {_listed(census.jobs)}"
    if census.keys:
        yield plural(census.keys, "held key")
    records = census.records + census.lapsing
    if records:
        yield f"{plural(sum(records.values()), 'record')}: {_listed(records)}"
    if census.entries:
        yield f"{plural(sum(census.entries.values()), 'timeline row')}: {_listed(census.entries)}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))


def to_json(moved: Moved) -> Json:
    """All of it."""
    census = moved.census
    return {
        "began_at": str(moved.step),
        "seconds": round(moved.seconds, 3),
        "rows_carried": moved.carried,
        "rows": None
        if census is None
        else {
            "jobs": dict(sorted(census.jobs.items())),
            "keys": census.keys,
            "records": dict(sorted((census.records + census.lapsing).items())),
            "timeline": dict(sorted(census.entries.items())),
        },
        "checksum": None if census is None else census.checksum,
    }
