"""Why a job is where it is: one answer for every combination of facts, and the words of each."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from headrace.model.facts import Alive, Facts, Holder, Reason, Why
from headrace.model.job import AttemptRecord, Encoding, Job, Notes
from headrace.model.outcome import Failure
from headrace.model.presence import Presence
from headrace.model.record import QueueControl
from headrace.model.state import FINAL, State
from headrace.model.time_words import instant_words, span, until_words
from headrace.model.why import explain

NOW = 1_800_000_000_000
"""2027-01-15 08:00:00 UTC"""
SOON = NOW + 12_000
WEB = Presence("web-1", "box", 42, "", {"email": 4}, ("send", "other"))
JOB = Job("1", "send", "email", "{}", Encoding.JSON, State.PENDING, 1000, NOW - 5_000, NOW - 5_000)


def facts(job: Job | None = JOB, **known: Any) -> Facts:
    return Facts(job_id="1", now=NOW, job=job, **known)


# --- every combination has one answer --------------------------------------------------------------------------------

NOT_DUE = {
    None: Reason.NOT_DUE,
    "snoozed": Reason.SNOOZED,
    "throttled": Reason.THROTTLED,
    "limited": Reason.LIMITED,
    "failed": Reason.RETRYING,
    "rolled_back": Reason.RETRYING,
    "crashed": Reason.CRASHED,
    "unknown_task": Reason.PARKED,
    "awaits_solitude": Reason.WAITS_TO_RUN_ALONE,
    "interrupted": Reason.NOT_DUE,
    "retried": Reason.NOT_DUE,
    "of a newer version": Reason.NOT_DUE,
}
"""What a job waits for that is not due, by the reason on its row."""
LATER = {"failed", "rolled_back", "crashed"}
WORKERS = {
    "nobody": ((), Reason.NO_WORKER),
    "elsewhere": ((Alive("w", replace(WEB, queues={"other": 1})),), Reason.NO_WORKER),
    "ignorant": ((Alive("w", replace(WEB, tasks=("other",))),), Reason.TASK_UNREGISTERED),
    "able": ((Alive("v", replace(WEB, tasks=())), Alive("w", WEB)), None),
    "perhaps able": ((Alive("w", replace(WEB, tasks=("other",), more_tasks=1)),), None),
}


def waiting() -> Iterator[tuple[Facts, list[Reason]]]:
    """All that can be in the way of a job that waits, and the order in which it is told."""
    for due, reason, paused, workers, cools, ceiling, free_at, cancel, crashes in product(
        (True, False),
        NOT_DUE,
        (True, False),
        WORKERS,
        (None, NOW, NOW + 1, SOON, SOON + 1),
        (None, 3, 4),
        (None, SOON, SOON + 1),
        (True, False),
        (0, 2),
    ):
        state = State.RETRYING if reason in LATER else State.SCHEDULED
        due_at = NOW if due else SOON
        job = replace(JOB, state=state, reason=reason, due_at=due_at, cancel_requested=cancel, crashes=crashes)
        alive, lacking = WORKERS[workers]
        expected = [] if due else [NOT_DUE[reason]]
        expected += [Reason.QUEUE_PAUSED] if paused else []
        expected += [lacking] if lacking else []
        expected += [Reason.QUEUE_COOLS] if (cools or 0) > due_at else []
        expected += [Reason.CEILING_FULL] if due and ceiling == 3 else []
        outlasts = free_at is not None and free_at > due_at and (due or reason != "limited")
        expected += [Reason.LIMITED] if outlasts else []
        known = facts(
            job,
            control=QueueControl(ceiling, paused, cools),
            workers=alive,
            running=3,
            free_at={} if free_at is None else {"slack": free_at},
        )
        yield known, expected or [Reason.CANCEL_REQUESTED if cancel else Reason.WILL_RUN]


def running() -> Iterator[tuple[Facts, list[Reason]]]:
    """All that can be with a job that runs."""
    for left, lease, rescued, cancel, crashes, alone, in_process, presence, others in product(
        (None, -1.0, 0.0, 14.9, 15.0, 30.0),
        (None, 30.0),
        (True, False),
        (True, False),
        (0, 1),
        (True, False),
        (None, True, False),
        (None, WEB),
        ((), (Alive("v", WEB),)),
    ):
        job = replace(
            JOB,
            state=State.RUNNING,
            worker="w",
            started_at=NOW - 7_000,
            attempt=1,
            rescued=rescued,
            cancel_requested=cancel,
            crashes=crashes,
            alone=alone,
        )
        if left is None or left <= 0:
            expected = Reason.WORKER_LOST
        elif rescued:
            expected = Reason.BEING_RESCUED
        elif lease is not None and left < 15:
            expected = Reason.WORKER_SILENT
        elif cancel:
            expected = Reason.CANCEL_REQUESTED
        elif crashes and not alone and not in_process:
            expected = Reason.WAITS_TO_RUN_ALONE
        else:
            expected = Reason.RUNNING
        yield (
            facts(job, lease_left=left, lease=lease, presence=presence, workers=others, in_process=in_process),
            [expected],
        )


def over() -> Iterator[tuple[Facts, list[Reason]]]:
    """What became of a job, whatever else is the case."""
    for expired, paused, workers in product((True, False), (True, False), WORKERS.values()):
        around: dict[str, Any] = {"control": QueueControl(paused=paused), "workers": workers[0]}
        yield facts(None, expired=expired, **around), [Reason.EXPIRED if expired else Reason.UNKNOWN]
        for state, finished_at, cancel in product(FINAL, (None, NOW - 1), (True, False)):
            job = replace(JOB, state=state, finished_at=finished_at, cancel_requested=cancel)
            yield facts(job, expired=expired, **around), [Reason(state)]


@pytest.mark.parametrize("combinations", [waiting, running, over])
def test_every_combination_of_facts_has_exactly_one_answer(combinations: Any) -> None:
    met: set[Reason] = set()
    for known, expected in combinations():
        answer = explain(known)
        told = [answer, *answer.then]
        assert [why.reason for why in told] == expected, known
        assert len(set(expected)) == len(expected)
        for why in told:
            assert why.then == () or why is answer
            assert why.job_id == "1"
            assert why.sentence.endswith(".")
            assert why.sentence[0].isupper()
            assert "\n" not in why.sentence
            assert "None" not in why.sentence
            assert (why.until is None) or (why.seconds is not None), why
        met.update(expected)
    assert met


def test_every_reason_is_given_for_some_facts() -> None:
    given = {
        reason for combinations in (waiting, running, over) for _, expected in combinations() for reason in expected
    }
    assert given == set(Reason)


# --- in which words --------------------------------------------------------------------------------------------------

FAILED = AttemptRecord(2, "w", NOW - 9_000, NOW - 8_000, "failed", Failure("ValueError", "no\nsuch order"))
ABLE = {"workers": (Alive("w", WEB),)}
LATE = replace(JOB, state=State.SCHEDULED, due_at=SOON)
AGAIN = "it is tried again at 2027-01-15 08:00:12 UTC, in 12 s"


def put_back(reason: str, **fields: Any) -> Job:
    return replace(LATE, reason=reason, **fields)


def at_work(**fields: Any) -> Job:
    return replace(JOB, **{"state": State.RUNNING, "worker": "w", "started_at": NOW - 7_000, "attempt": 2} | fields)


SENTENCES: list[tuple[Facts, str, dict[str, Any]]] = [
    (
        facts(LATE, **ABLE),
        "It is not due before 2027-01-15 08:00:12 UTC, in 12 s.",
        {"until": SOON, "seconds": 12.0, "queue": "email", "task": "send"},
    ),
    (facts(put_back("snoozed"), **ABLE), f"Its handler snoozed it: {AGAIN}.", {"until": SOON}),
    (facts(put_back("throttled"), **ABLE), f"Its handler was told to slow down: {AGAIN}.", {"until": SOON}),
    (
        facts(put_back("failed", attempt=2, history=(FAILED,)), max_attempts=5, **ABLE),
        f"Attempt 2 of 5 failed (ValueError: no such order): {AGAIN}.",
        {"attempt": 2, "max_attempts": 5, "error": "ValueError: no such order", "until": SOON},
    ),
    (facts(put_back("failed", attempt=1), **ABLE), f"Attempt 1 failed (without an error): {AGAIN}.", {"attempt": 1}),
    (
        facts(put_back("crashed", crashes=1), **ABLE),
        f"Its worker or process died under it (once by now), which is no failure: {AGAIN}, alone.",
        {"attempt": 1, "until": SOON},
    ),
    (
        facts(put_back("crashed", crashes=2), in_process=True, **ABLE),
        f"Its worker or process died under it (2 times by now), which is no failure: {AGAIN}.",
        {"attempt": 2},
    ),
    (
        facts(put_back("unknown_task", parked_at=NOW - 200_000), grace=3600.0, **ABLE),
        f"No worker that took it knew its task 'send', for 3 min by now: {AGAIN}; dead if nobody knows it by "
        "2027-01-15 08:56:40 UTC.",
        {"since": NOW - 200_000, "until": SOON},
    ),
    (
        facts(put_back("unknown_task", parked_at=NOW - 200_000), **ABLE),
        f"No worker that took it knew its task 'send', for 3 min by now: {AGAIN}.",
        {},
    ),
    (
        facts(put_back("awaits_solitude"), **ABLE),
        f"It must run alone, and the worker that took it had too much else to do: {AGAIN}.",
        {"until": SOON},
    ),
    (facts(put_back("limited"), **ABLE), f"A limit of its task had no permit left: {AGAIN}.", {"limit": None}),
    (
        facts(put_back("limited"), free_at={"a": SOON, "slack": SOON + 1}, **ABLE),
        f"Limit 'slack' had no permit left: {AGAIN}.",
        {"limit": "slack"},
    ),
    (
        facts(control=QueueControl(paused=True), **ABLE),
        "Queue 'email' is paused: none of its jobs starts until somebody resumes it.",
        {"queue": "email"},
    ),
    (facts(), "No live worker serves queue 'email'.", {"queue": "email"}),
    (
        facts(workers=(Alive("w", replace(WEB, queues={"other": 1})),)),
        "No live worker serves queue 'email'; those that live serve other queues.",
        {},
    ),
    (
        facts(workers=(Alive("w", replace(WEB, tasks=())),)),
        "The one live worker of queue 'email' does not register its task 'send'.",
        {"task": "send"},
    ),
    (
        facts(replace(JOB, parked_at=NOW - 60_000), workers=(Alive("w", replace(WEB, tasks=())),) * 2),
        "None of the 2 live workers of queue 'email' registers its task 'send'; it is parked for 60 s by now.",
        {},
    ),
    (
        facts(control=QueueControl(cools_until=NOW + 180_000), **ABLE),
        "Queue 'email' cools down: it gives no job before 2027-01-15 08:03:00 UTC, in 3 min.",
        {"until": NOW + 180_000, "seconds": 180.0},
    ),
    (
        facts(
            control=QueueControl(2),
            running=3,
            holders=(Holder("2", "send", "w", "web-1"), Holder("3", "other", "v", None)),
            **ABLE,
        ),
        "Queue 'email' runs as many jobs as its ceiling of 2 allows: 2 (send on web-1), 3 (other on v) and 1 more.",
        {
            "ceiling": 2,
            "running": 3,
            "holders": (Holder("2", "send", "w", "web-1"), Holder("3", "other", "v", None)),
        },
    ),
    (
        facts(control=QueueControl(1), running=1, **ABLE),
        "Queue 'email' runs as many jobs as its ceiling of 1 allows.",
        {"holders": ()},
    ),
    (
        facts(free_at={"slack": NOW + 400}, **ABLE),
        "Limit 'slack' has no permit before 2027-01-15 08:00:00 UTC, in 0.4 s.",
        {"limit": "slack", "until": NOW + 400, "seconds": 0.4},
    ),
    (
        facts(due=13, running=3, **ABLE),
        "It is due, and will run as soon as a worker takes it; 12 other jobs of queue 'email' are due too, and 3 of 4 "
        "slots are taken.",
        {"due": 12, "running": 3, "slots": 4},
    ),
    (
        facts(replace(JOB, crashes=1), due=2, **ABLE),
        "It is due, and will run alone as soon as a worker takes it; 1 other job of queue 'email' is due too, and 0 "
        "of 4 slots are taken.",
        {"due": 1},
    ),
    (
        facts(replace(JOB, cancel_requested=True), due=1, **ABLE),
        "Somebody wants it stopped: it ends cancelled as soon as a worker takes it; 0 other jobs of queue 'email' are "
        "due too, and 0 of 4 slots are taken.",
        {},
    ),
    (
        facts(at_work(notes=Notes(40.4, "half\nway")), presence=WEB, lease_left=25.0, max_attempts=3),
        "It runs on worker web-1 (process 42 on box) for 7 s by now, in attempt 2: 40 %, half way.",
        {"worker": "w", "label": "web-1", "seconds": 7.0, "percent": 40.4, "message": "half\nway", "attempt": 2}
        | {"since": NOW - 7_000, "max_attempts": 3, "until": None},
    ),
    (
        facts(at_work(), lease_left=12.0),
        "It was claimed by hand, 7 s ago; unless that claim is renewed, it ends at 2027-01-15 08:00:12 UTC, in 12 s.",
        {"worker": "w", "label": None, "until": SOON},
    ),
    (
        facts(at_work(cancel_requested=True), presence=WEB, lease_left=25.0),
        "Somebody wants it stopped: worker web-1 does so once it hears of that and the handler gives way.",
        {"label": "web-1"},
    ),
    (
        facts(at_work(crashes=1), presence=WEB, lease_left=25.0, in_process=False),
        "It has a crash behind it, and worker web-1 waits until nothing else runs beside it.",
        {"worker": "w"},
    ),
    (
        facts(at_work(crashes=1), presence=WEB, lease_left=25.0),
        "It has a crash behind it, and worker web-1 waits until nothing else runs beside it, unless its task runs in a "
        "process of its own.",
        {},
    ),
    (
        facts(at_work(), presence=WEB, lease_left=12.0, lease=30.0),
        "Nothing was heard of worker web-1 for 18 s: if it crashed, its lease runs out at 2027-01-15 08:00:12 UTC, in "
        "12 s, and another takes the job over.",
        {"until": SOON, "seconds": 12.0},
    ),
    (
        facts(at_work(), presence=WEB, lease_left=-2.0, **ABLE),
        "The lease of worker web-1 has run out, and it may have crashed: another takes it over within seconds.",
        {},
    ),
    (
        facts(at_work(), lease_left=None),
        "The lease of claim w has run out, and it may have crashed: no live worker can take it over.",
        {},
    ),
    (
        facts(at_work(rescued=True), presence=WEB, lease_left=25.0),
        "Its worker vanished; worker web-1 has taken it over and is about to put it back.",
        {"label": "web-1"},
    ),
    (
        facts(replace(JOB, state=State.COMPLETED, finished_at=NOW - 60_000, attempt=1)),
        "It completed at 2027-01-15 07:59:00 UTC, 60 s ago, in attempt 1.",
        {"since": NOW - 60_000, "attempt": 1},
    ),
    (
        facts(replace(JOB, state=State.DEAD, finished_at=NOW, reason="exhausted", history=(FAILED,))),
        "It died at 2027-01-15 08:00:00 UTC, 0 s ago (exhausted): ValueError: no such order. It waits for somebody to "
        "send it back.",
        {"error": "ValueError: no such order"},
    ),
    (
        facts(replace(JOB, state=State.CANCELLED, finished_at=NOW - 7_200_000)),
        "It was cancelled at 2027-01-15 06:00:00 UTC, 2 h ago, and never runs again.",
        {},
    ),
    (facts(None), "The store knows no such job.", {"queue": None}),
    (
        facts(None, expired=True),
        "It is not in the store any more: it is older than the retention, and was probably removed.",
        {},
    ),
]


@pytest.mark.parametrize(("known", "sentence", "fields"), SENTENCES, ids=[sentence for _, sentence, _ in SENTENCES])
def test_the_words_and_fields_of_each_answer(known: Facts, sentence: str, fields: dict[str, Any]) -> None:
    answer = explain(known)
    assert answer.sentence == sentence
    assert {name: getattr(answer, name) for name in fields} == fields


def test_a_long_error_is_cut() -> None:
    long = replace(FAILED, failure=Failure("ValueError", "x" * 10_000))
    answer = explain(facts(put_back("failed", history=(long,))))
    assert len(answer.sentence) < 400
    assert (answer.error or "").endswith("x…")


def test_what_a_newer_version_calls_a_reason_is_no_error() -> None:
    assert explain(facts(put_back("a reason of tomorrow"))).reason is Reason.NOT_DUE


def test_an_answer_is_plain_data() -> None:
    import msgspec

    answer = explain(facts(LATE, control=QueueControl(paused=True)))
    assert [why.reason for why in answer.then] == [Reason.QUEUE_PAUSED, Reason.NO_WORKER]
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Why) == answer


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 s"),
        (4, "0.004 s"),
        (400, "0.4 s"),
        (999, "1 s"),
        (1_400, "1 s"),
        (119_000, "119 s"),
        (120_000, "2 min"),
        (7_199_000, "120 min"),
        (7_200_000, "2 h"),
        (172_799_000, "48 h"),
        (172_800_000, "2 days"),
        (10**13, "115741 days"),
    ],
)
def test_spans(milliseconds: int, words: str) -> None:
    assert span(milliseconds) == words


def test_instants() -> None:
    assert instant_words(NOW) == "2027-01-15 08:00:00 UTC"
    assert instant_words(10**18) == f"{10**18} ms after 1970"
    assert until_words(NOW, NOW) == "any moment"
