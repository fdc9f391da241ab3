"""What the steps of random histories are made of."""

from collections.abc import Callable, Mapping

from hypothesis import strategies as st
from msgspec.structs import replace

from headrace.model import lifecycle
from headrace.model.change import Change, Patch
from headrace.model.job import Encoding, Job, LogLine, Notes, Options, Until
from headrace.model.outcome import Failure, Outcome, Raised, Refused, Returned, Snoozed, Stopped
from headrace.model.record import Expect, Put
from headrace.model.retry import RetryPolicy
from headrace.model.state import FINAL, RUNNING, WAITING, State
from headrace.storage.contract import Filter, Keep

queues = st.sampled_from(["a", "b"])
workers = st.sampled_from(["w1", "w2", "w3"])
indexes = st.integers(0, 40)
moments = st.sampled_from([0.0, 0.001, 0.5, 1.0, 5.0, 29.999, 30.0, 90.0])
policies = st.sampled_from(
    [RetryPolicy(jitter=0), RetryPolicy(max_attempts=1), RetryPolicy(max_attempts=2, base=0.001)]
)
options = st.sampled_from(
    [
        Options(),
        Options(),
        Options(retention=0.0),
        Options(retention=5.0),
        Options(retention={"completed": 0.5, "dead": 5.0}),
        Options(retention={"dead": 0.0, "cancelled": 1.0}),
        Options(headers={"é": "👍"}),
    ]
)
failures = st.sampled_from([Failure("ValueError", "näh", "trace\n"), Failure("Timeout", "")])
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Returned, st.sampled_from([None, b"0", b'{"a":"\xc3\xa9"}']), st.sampled_from([None, "too large"])),
    st.builds(Raised, failures, st.booleans()),
    st.builds(Refused, failures),
    st.builds(Snoozed, moments, st.sampled_from(["snoozed", "throttled"])),
    st.builds(Stopped, st.just("enough")),
)
puts = st.builds(
    Put,
    st.sampled_from(["kv", "lease"]),
    st.sampled_from(["x", "y"]),
    st.sampled_from(["1", '{"é":2}', None]),
    st.sampled_from([Expect.ANY, Expect.ANY, Expect.ABSENT, 0, 1, 2]),
    st.sampled_from([None, None, 0.0, 0.001, 5.0]),
)
put_lists = st.lists(puts, max_size=3)
own_puts = (
    st.just(()) | st.just(()) | put_lists.map(lambda found: tuple(replace(put, expect=Expect.ANY) for put in found))
)
controls = st.sampled_from(
    [
        '{"paused":true}',
        '{"concurrency":0}',
        '{"concurrency":2}',
        "{}",
        None,
        '{"cools_until":%d}',
        '{"cools_until":%d}',
    ]
)
keeps = st.dictionaries(
    st.sampled_from(sorted(FINAL)), st.builds(Keep, st.sampled_from([0.0, 5.0, 60.0]), st.sampled_from([0, 1, 3, 100]))
)
rules_of_queues = st.just({}) | st.dictionaries(st.sampled_from(["a", "b", "none"]), keeps, max_size=3)
KINDS = ["minute", "event"]
kinds = st.sampled_from(KINDS)
entry_ages = st.just({}) | st.dictionaries(kinds, st.sampled_from([0.0, 0.001, 5.0, 60.0]))
wanted_entries = st.tuples(
    st.sampled_from(["1", "2", "3", "é", "a:b"]), kinds, queues, st.sampled_from([-60_000, -1, 0, 0, 1, 5_000])
)
"""An entry but for its instant, which is so many milliseconds from now."""
notes = st.builds(
    Notes,
    st.sampled_from([None, 0.0, 55.5]),
    st.sampled_from([None, None, "näh"]),
    lines=st.integers(0, 60).map(lambda number: tuple(LogLine(line, 1, "INFO", "é\n") for line in range(number))),
)
wheres = st.builds(
    Filter,
    st.sampled_from([None, WAITING, FINAL, RUNNING, frozenset({State.DEAD}), frozenset({State.PENDING})]),
    st.none() | queues,
    st.sampled_from([None, None, "t", "u"]),
    st.none() | workers,
    st.sampled_from([None, None, True, False]),
)
wishes = st.fixed_dictionaries(
    {
        "task": st.sampled_from(["t", "u"]),
        "queue": queues,
        "payload": st.sampled_from(["{}", '{"a":1}', '{"a":"é👍\\u0000"}']),
        "encoding": st.sampled_from([Encoding.JSON, Encoding.JSON, Encoding.BYTES]),
        "priority": st.sampled_from([0, 1, 1000, 32_767]),
        "delay": moments,
        "key": st.sampled_from([None, None, "k1", "k2"]),
        "until": st.sampled_from(list(Until)),
        "window": st.sampled_from([0.001, 1.0, 10.0]),
        "options": options,
        "puts": own_puts,
    }
)
"""What a NewJob is built from, but for its id and instant, which the machine gives."""

Order = Callable[[Job, Outcome, RetryPolicy], Change | None]
ORDERS: Mapping[str, Order] = {
    "settle": lambda job, outcome, policy: lifecycle.settle(job, outcome, policy, 0.5),
    "hand_back": lambda job, *_: lifecycle.hand_back(job),
    "drop": lambda job, *_: lifecycle.drop(job),
    "park": lambda job, *_: lifecycle.park(job, 60.0),
    "lapse": lambda job, *_: lifecycle.lapse(job, 0.5),
    "stamp_alone": lambda job, *_: lifecycle.stamp_alone(job),
    "cancel": lambda job, *_: lifecycle.cancel(job),
    "retry": lambda job, *_: lifecycle.retry(job),
    "run_now": lambda job, *_: lifecycle.run_now(job),
    "note": lambda job, *_: Change(job.id, lifecycle.held(job), Patch()),
}
orders = st.tuples(
    st.sampled_from(sorted(ORDERS)), indexes, st.booleans(), outcomes, policies, st.none() | st.none() | notes
)
