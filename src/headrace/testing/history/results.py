"""A job has the result that the run returned which completed it, and everybody is told the same."""

from collections.abc import Iterator

import msgspec

from headrace.model.job import Job
from headrace.model.state import State
from headrace.testing.history.asking import commands, lives_once
from headrace.testing.history.finding import Finding
from headrace.testing.history.index import Index, Life
from headrace.testing.history.verdict import Kind


def find_wrong_results(index: Index) -> Iterator[Finding]:
    """RESULT: another one than the completing run returned; completed by no run at all; told otherwise."""
    for job, life in lives_once(index):
        row = life.row
        if row is not None and index.rows is not None and row.state is State.COMPLETED:
            yield from _judge_row(index, job, life, row)
        for place, settled in life.settled:
            if settled.applied and settled.state is State.COMPLETED and settled.result is not None:
                for where, ended in life.ended:
                    if ended.generation == settled.generation and not _is_same(ended.result, settled.result):
                        what = f"{job} was completed with {settled.result} under generation {settled.generation};"
                        what += f" its handler returned {ended.result}"
                        yield Finding(Kind.RESULT, what, (job,), (where, place))
        if life.waited:
            yield from _judge_answers(index, job, life)


def _judge_row(index: Index, job: str, life: Life, row: Job) -> Iterator[Finding]:
    assert index.rows is not None
    own = [(place, ended) for place, ended in life.ended if ended.generation == row.generation]
    if not own and row.task in index.scope.telling:
        others = ", ".join(str(ended.generation) for _, ended in life.ended)
        ran = f"; runs ended under {others}" if others else " and never ran to its end"
        what = f"{job} is completed under generation {row.generation}{ran}"
        places = [place for place, _ in life.ended]
        yield Finding(Kind.RESULT, what, (job,), (*places, index.rows))
    for place, ended in own:
        if ended.outcome != "returned":
            what = f"{job} is completed under generation {row.generation}, whose handler ended so: {ended.outcome}"
            yield Finding(Kind.RESULT, what, (job,), (place, index.rows))
        elif row.result_error is None and not _is_same(ended.result, row.result):
            what = f"{job} has the result {row.result}; under generation {row.generation} its handler returned"
            yield Finding(Kind.RESULT, f"{what} {ended.result}", (job,), (place, index.rows))


def _judge_answers(index: Index, job: str, life: Life) -> Iterator[Finding]:
    """A final state stays as it is, unless an operator sends the job back."""
    row = life.row
    if row is None or index.rows is None or commands(life, "retry"):
        return
    for place, waited in life.waited:
        told, is_now = (waited.state, _value(waited.result)), (row.state, _value(row.result))
        if told != is_now and not (waited.result is None and told[0] == is_now[0]):
            what = f"who waited for {job} was told at {waited.at}: {waited.state} with {waited.result}; it is"
            yield Finding(Kind.RESULT, f"{what} {row.state} with {row.result}", (job,), (place, index.rows))


def _is_same(returned: str | None, kept: str | None) -> bool:
    """Whether two results are equal; what was not told is not compared."""
    return returned is None or returned == kept or _value(returned) == _value(kept)


def _value(result: str | None) -> object:
    if result is None:
        return None
    try:
        value: object = msgspec.json.decode(result)
    except msgspec.DecodeError:
        return result
    return value
