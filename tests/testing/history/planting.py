"""Takes right histories and plants one thing in each that may not happen."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from msgspec.structs import replace
from recorder import QUEUES, Recorder

from headrace.model.job import Job, Until
from headrace.model.state import FINAL, State
from headrace.testing.dice import Dice
from headrace.testing.history.index import Index, Life
from headrace.testing.history.records import (
    AnyRecord,
    Bought,
    Ceiling,
    Died,
    Enqueued,
    Enqueueing,
    Granted,
    NotEnqueued,
    Ordered,
    Removed,
    Rows,
    Settled,
    Started,
    Waited,
)
from headrace.testing.history.scope import Scope
from headrace.testing.history.ticks import tick_of
from headrace.testing.history.verdict import Kind

Planted = list[AnyRecord] | None
"""The history with something planted in it; None where there is no place for it."""


@lru_cache(maxsize=256)
def history(seed: int, *, ticks: bool = True) -> list[AnyRecord]:
    """A right one."""
    dice = Dice(seed)
    steps = [(dice.whole(0, 18), dice.whole(0, 99), dice.whole(0, 99)) for _ in range(dice.whole(20, 160))]
    return Recorder(ticks=ticks).run(steps)


class Plot:
    """A history, and where what is in it."""

    def __init__(self, records: Sequence[AnyRecord], dice: Dice) -> None:
        self.records, self.dice = list(records), dice
        self.index = Index(records, Scope(exact=True))
        self.rows = records[-1]
        assert isinstance(self.rows, Rows)

    def pick(self, choices: list) -> object:
        return self.dice.pick(choices) if choices else None

    def place_of(self, kind: type, where: Callable = lambda record: True) -> int | None:
        """One of the records of this sort that pass."""
        return self.pick([place for place, record in enumerate(self.records) if type(record) is kind and where(record)])

    def life(self, where: Callable[[str, Life], bool]) -> tuple[str, Life] | None:
        """One of the jobs that nobody deleted or asked for twice, and that pass."""
        lives = self.index.lives.items()
        plain = [(job, life) for job, life in lives if not life.ordered and len(life.asked) + len(life.brought) < 2]
        return self.pick([(job, life) for job, life in plain if where(job, life)])

    def at(self, place: int, *records: AnyRecord) -> Planted:
        """These in the place of that one."""
        return [*self.records[:place], *records, *self.records[place + 1 :]]

    def with_rows(self, change: Callable[[Job], Job | None], *more: Job) -> Planted:
        changed = [change(row) for row in self.rows.jobs]
        return self.at(len(self.records) - 1, replace(self.rows, jobs=[*filter(None, changed), *more]))

    def with_row(self, job: str, **fields: object) -> Planted:
        return self.with_rows(lambda row: replace(row, **fields) if row.id == job else row)

    def without_row(self, job: str) -> Planted:
        return self.with_rows(lambda row: None if row.id == job else row)


def lose_a_row(plot: Plot) -> Planted:
    found = plot.life(lambda _, life: life.promised is not None and life.row is not None)
    return None if found is None else plot.without_row(found[0])


def leave_a_row_waiting(plot: Plot) -> Planted:
    found = plot.life(lambda _, life: life.promised is not None and life.row is not None)
    return None if found is None else plot.with_row(found[0], state=State.PENDING)


def leave_one_stuck(plot: Plot) -> Planted:
    """One that nobody was promised."""
    found = plot.life(lambda _, life: life.promised is None and life.row is not None)
    return None if found is None else plot.with_row(found[0], state=State.RETRYING)


def add_a_ghost(plot: Plot) -> Planted:
    found = plot.life(lambda _, life: life.row is not None and bool(life.asked))
    return None if found is None else plot.with_rows(lambda row: row, replace(found[1].row, id="ghost"))


def change_a_payload(plot: Plot) -> Planted:
    found = plot.life(lambda _, life: life.row is not None and life.wanted is not None and life.wanted.payload != "{}")
    return None if found is None else plot.with_row(found[0], payload='{"number":-1}')


def refuse_what_was_done(plot: Plot) -> Planted:
    def ran(told: Enqueued) -> bool:
        lives = [plot.index.lives[answer.id] for answer in told.answers]
        return any(life.granted and len(life.asked) == 1 and not life.brought for life in lives)

    place = plot.place_of(Enqueued, ran)
    if place is None:
        return None
    told = plot.records[place]
    refused = NotEnqueued(at=told.at, process=told.process, call=told.call, error="No", certain=True)
    return plot.at(place, refused)


def let_a_stale_write_through(plot: Plot) -> Planted:
    place = plot.place_of(Settled, lambda settled: not settled.applied and not _is_asked_twice(plot, settled.job))
    return None if place is None else plot.at(place, replace(plot.records[place], applied=True))


def _is_asked_twice(plot: Plot, job: str) -> bool:
    life = plot.index.lives[job]
    return len(life.asked) + len(life.brought) > 1


def complete_twice(plot: Plot) -> Planted:
    place = plot.place_of(
        Settled,
        lambda settled: settled.applied and settled.state is State.COMPLETED and not _is_asked_twice(plot, settled.job),
    )
    return None if place is None else plot.at(place, plot.records[place], plot.records[place])


def let_a_generation_fall(plot: Plot) -> Planted:
    found = plot.life(lambda _, life: life.row is not None and bool(life.granted) and life.row.state in FINAL)
    return None if found is None else plot.with_row(found[0], generation=found[1].row.generation - 1)


def give_out_before_due(plot: Plot) -> Planted:
    place = plot.place_of(Granted, lambda grant: not grant.rescued)
    if place is None:
        return None
    grant = plot.records[place]
    return plot.at(place, replace(grant, due_at=grant.started_at + 1))


def give_out_before_a_delay_is_over(plot: Plot) -> Planted:
    found = plot.life(lambda _, life: any(_is_delayed(move, life) for _, move in life.moves))
    if found is None:
        return None
    life = found[1]
    move = next(move for _, move in life.moves if _is_delayed(move, life))
    place = next(place for place, grant in life.granted if grant.generation == move.generation + 1)
    return plot.at(place, replace(plot.records[place], due_at=move.at - 100))


def _is_delayed(move: Settled, life: Life) -> bool:
    return bool(move.delay) and any(grant.generation == move.generation + 1 for _, grant in life.granted)


def count_one_more(name: str) -> Callable[[Plot], Planted]:
    def plant(plot: Plot) -> Planted:
        found = plot.life(lambda _, life: len(life.granted) > 1 and life.moves[-1][1].generation > 1)
        if found is None:
            return None
        place, grant = plot.dice.pick(found[1].granted[1:])
        return plot.at(place, replace(grant, **{name: getattr(grant, name) + 1}))

    return plant


def sell_too_many(plot: Plot) -> Planted:
    place = plot.place_of(Bought, lambda bought: bought.number > 0)
    return None if place is None else plot.at(place, replace(plot.records[place], number=5_000))


def lower_a_ceiling(plot: Plot) -> Planted:
    place = plot.place_of(Ceiling)
    if not any(type(record) is Granted and record.queue == QUEUES[1] for record in plot.records):
        return None
    return plot.at(place, replace(plot.records[place], most=0))


def miss_a_tick(plot: Plot) -> Planted:
    late = plot.rows.at - 5_000
    ticks = [row.id for row in plot.rows.jobs if (tick := tick_of(row)) is not None and tick[1] <= late]
    if not ticks or plot.index.removed:
        return None
    return plot.without_row(plot.dice.pick(ticks))


def fire_a_tick_twice(plot: Plot) -> Planted:
    row = plot.pick([row for row in plot.rows.jobs if tick_of(row) is not None])
    return None if row is None else plot.with_rows(lambda row: row, replace(row, id="again"))


def give_two_one_key(plot: Plot) -> Planted:
    """Two jobs that were in the store at one time."""
    plain = [
        (job, life)
        for job, life in plot.index.lives.items()
        if life.promised is not None and life.moves and not life.ordered and len(life.asked) == 1
    ]
    pairs = [
        (one, other)
        for one, first in plain
        for other, second in plain
        if one < other
        and first.wanted.queue == second.wanted.queue
        and max(first.promised, second.promised) < min(_ended(first), _ended(second))
    ]
    pair = plot.pick(pairs)
    if pair is None:
        return None

    def keyed(record: AnyRecord) -> AnyRecord:
        if not isinstance(record, Enqueueing):
            return record
        jobs = [
            replace(one, key="planted", until=Until.FINISHED, window=None) if one.id in pair else one
            for one in record.jobs
        ]
        return replace(record, jobs=jobs)

    return [keyed(record) for record in plot.records]


def _ended(life: Life) -> int:
    return next((place for place, move in life.moves if move.state in FINAL), 0)


def remove_more(plot: Plot) -> Planted:
    place = plot.place_of(Removed)
    return None if place is None else plot.at(place, replace(plot.records[place], number=500))


def run_what_was_cancelled(plot: Plot) -> Planted:
    for place, ordered in enumerate(plot.records):
        if isinstance(ordered, Ordered) and ordered.command == "cancel" and ordered.done:
            life = plot.index.lives[ordered.done[0]]
            commands = [order.command for _, order in life.ordered]
            if not life.granted and commands.count("cancel") == 2 and set(commands) == {"cancel"}:
                grant = Granted(
                    at=ordered.at,
                    process="w9",
                    worker="w9",
                    job=ordered.done[0],
                    queue="q",
                    priority=1,
                    due_at=0,
                    generation=1,
                    attempt=1,
                    crashes=0,
                )
                return plot.at(place, ordered, grant)
    return None


def keep_another_result(plot: Plot) -> Planted:
    found = plot.life(lambda _, life: life.row is not None and life.row.result is not None)
    return None if found is None else plot.with_row(found[0], result="-1")


def tell_another_result(plot: Plot) -> Planted:
    def lasts(waited: Waited) -> bool:
        life = plot.index.lives[waited.job]
        return waited.state is State.COMPLETED and life.row is not None and not _is_asked_twice(plot, waited.job)

    place = plot.place_of(Waited, lasts)
    return None if place is None else plot.at(place, replace(plot.records[place], result="-1"))


def lose_a_follow_up(plot: Plot) -> Planted:
    if plot.index.removed:
        return None
    children = [job for job, life in plot.index.lives.items() if any(move.applied for _, move in life.brought)]
    job = plot.pick(children)
    if job is None:
        return None
    about = [record for record in plot.records if getattr(record, "job", None) != job]
    return Plot(about, plot.dice).without_row(job)


def give_out_twice(plot: Plot) -> Planted:
    place = plot.place_of(Granted, lambda grant: not _is_asked_twice(plot, grant.job))
    if place is None:
        return None
    return plot.at(place, plot.records[place], replace(plot.records[place], worker="w9"))


def begin_twice(plot: Plot) -> Planted:
    place = plot.place_of(Started, lambda started: not _is_asked_twice(plot, started.job))
    return None if place is None else plot.at(place, plot.records[place], plot.records[place])


def rescue_from_the_living(plot: Plot) -> Planted:
    """Right after it was given out: whoever is given a job has a lease."""
    place = plot.place_of(Granted, lambda grant: not _is_asked_twice(plot, grant.job))
    if place is None:
        return None
    grant = plot.records[place]
    stolen = replace(grant, worker="w9", process="w9", generation=grant.generation + 1, rescued=True)
    leased = [record for _, record in plot.index.leased[grant.worker] if record.at <= grant.at]
    return plot.at(place, grant, stolen) if leased[-1].until > grant.at + 2 else None


def overtake(plot: Plot) -> Planted:
    """A job was waiting when another was given out: it is made the more urgent one."""
    for job, life in plot.index.lives.items():
        wanted = life.wanted
        if wanted is None or wanted.delay or wanted.due_at or life.promised is None or not life.granted:
            continue
        place, grant = life.granted[0]
        others = plot.records[life.promised : place]
        if life.ordered or len(life.asked) > 1 or grant.generation != 1 or not others:
            continue
        if any(
            type(other) is Granted and other.queue == grant.queue and not other.rescued and other.at != grant.at
            for other in others
        ):
            assert grant.job == job
            return plot.at(place, replace(grant, priority=-1))
    return None


PLANTS: dict[str, tuple[Callable[[Plot], Planted], set[Kind], bool]] = {
    "lose a row": (lose_a_row, {Kind.LOST, Kind.CONSERVATION}, True),
    "leave a row waiting": (leave_a_row_waiting, {Kind.LOST}, False),
    "leave one stuck": (leave_one_stuck, {Kind.STUCK}, False),
    "add a ghost": (add_a_ghost, {Kind.GHOST}, False),
    "change a payload": (change_a_payload, {Kind.GHOST}, False),
    "refuse what was done": (refuse_what_was_done, {Kind.GHOST}, False),
    "let a stale write through": (let_a_stale_write_through, {Kind.STALE_WRITE, Kind.DOUBLE_COMPLETION}, True),
    "complete twice": (complete_twice, {Kind.DOUBLE_COMPLETION}, False),
    "let a generation fall": (let_a_generation_fall, {Kind.STALE_WRITE}, False),
    "give out before due": (give_out_before_due, {Kind.EARLY_START}, False),
    "give out before a delay is over": (give_out_before_a_delay_is_over, {Kind.EARLY_START}, False),
    "count an attempt more": (count_one_more("attempt"), {Kind.ATTEMPTS, Kind.CRASHES}, False),
    "count a crash more": (count_one_more("crashes"), {Kind.CRASHES}, False),
    "sell too many": (sell_too_many, {Kind.PERMITS}, False),
    "lower a ceiling": (lower_a_ceiling, {Kind.CEILING}, True),
    "miss a tick": (miss_a_tick, {Kind.TICKS}, False),
    "fire a tick twice": (fire_a_tick_twice, {Kind.TICKS}, False),
    "give two one key": (give_two_one_key, {Kind.DEDUP}, True),
    "remove more": (remove_more, {Kind.CONSERVATION}, True),
    "run what was cancelled": (run_what_was_cancelled, {Kind.CANCEL}, True),
    "keep another result": (keep_another_result, {Kind.RESULT}, False),
    "tell another result": (tell_another_result, {Kind.RESULT}, False),
    "lose a follow-up": (lose_a_follow_up, {Kind.FOLLOW_UP}, False),
    "give out twice": (give_out_twice, {Kind.OVERLAP}, False),
    "begin twice": (begin_twice, {Kind.OVERLAP}, False),
    "rescue from the living": (rescue_from_the_living, {Kind.OVERLAP}, True),
    "overtake": (overtake, {Kind.INVERSION}, True),
}
"""By name: what is planted, as what it may be found, and whether that needs an exact order."""


def worn(records: Sequence[AnyRecord], dice: Dice) -> list[AnyRecord]:
    """As processes that get killed write it: their clocks differ by some milliseconds, and what they would have written
    after a call is missing here and there."""
    offsets: dict[str, int] = {"cluster": 0}
    kept: list[AnyRecord] = []
    for record in records:
        offset = offsets.setdefault(record.process, dice.whole(-5, 5))
        after_a_call = isinstance(record, Granted | Settled | Enqueued | NotEnqueued | Ordered | Waited)
        sold = isinstance(record, Bought) and record.number > 0
        if (after_a_call or sold) and dice.chance(0.1):
            kept.append(Died(at=record.at + offset, process=record.process))
        else:
            kept.append(replace(record, at=record.at + offset))
    return sorted(kept, key=lambda record: record.at)
