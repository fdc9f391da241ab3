"""What was put in is there at the end, or was taken out: by number."""

from collections import Counter
from collections.abc import Iterator

from headrace.testing.history.asking import asked_at, commands, may_be_final, may_exist
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index
from headrace.testing.history.records import Died, Rows
from headrace.testing.history.verdict import Kind


def find_imbalance(index: Index) -> Iterator[Finding]:
    """CONSERVATION: a row twice; more removed than is gone; more gone than was removed."""
    if index.rows is None:
        return
    yield from _find_twins(index)
    if not index.scope.removed:
        return
    if index.marks[Died] and not index.scope.exact:
        return  # the killed may have brought jobs along, or removed some, and not said so
    removed = tuple(place for place, _ in index.removed)
    number = sum(record.number for _, record in index.removed)
    gone = [job for job, life in index.lives.items() if life.row is None and may_exist(index, job, life)]
    if number > len(gone) and not index.scope.fires:
        what = f"{number} jobs were removed, and {len(gone)} of those asked for are gone"
        places = [place for job in gone for place in asked_at(index.lives[job])]
        yield Finding(Kind.CONSERVATION, what, tuple(gone), (*removed, *places, index.rows))
    surely = [job for job in gone if _was_there(index, job) and not commands(index.lives[job], "delete")]
    if len(surely) > number:
        what = f"{len(surely)} final jobs are gone, and {number} were removed"
        places = [place for job in surely for place in asked_at(index.lives[job])]
        places += [place for job in surely for place, _ in index.lives[job].settled]
        yield Finding(Kind.CONSERVATION, what, tuple(surely), (*removed, *places, index.rows))


def _was_there(index: Index, job: str) -> bool:
    life = index.lives[job]
    return may_be_final(life) and (bool(life.granted) or life.promised is not None)


def _find_twins(index: Index) -> Iterator[Finding]:
    assert index.rows is not None
    rows = index.records[index.rows]
    if isinstance(rows, Rows) and len({row.id for row in rows.jobs}) < len(rows.jobs):
        for job, number in Counter(row.id for row in rows.jobs).items():
            if number > 1:
                what = f"{job} is in the store {number} times at the end"
                yield Finding(Kind.CONSERVATION, what, (job,), (index.rows,))
