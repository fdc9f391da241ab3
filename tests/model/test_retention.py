"""How long final jobs are kept: what is accepted, which rule counts, whose word stands."""

from datetime import timedelta
from typing import Any

import pytest

from headrace.model.errors import InvalidOption
from headrace.model.job import Options
from headrace.model.record import QueueControl, completed
from headrace.model.retention import by_state, check_retention, kept_at_least
from headrace.model.state import State

APP = {State.COMPLETED: 100.0, State.CANCELLED: 200.0, State.DEAD: 300.0}


@pytest.mark.parametrize(
    ("value", "checked"),
    [
        ("1h", 3600.0),
        (timedelta(minutes=1), 60.0),
        (0, 0.0),
        ({}, {}),
        ({"dead": "1d"}, {"dead": 86400.0}),
        ({State.DEAD: 5, "completed": "1m"}, {"dead": 5.0, "completed": 60.0}),
    ],
)
def test_a_duration_or_durations_by_state(value: Any, checked: Any) -> None:
    found = check_retention(value)
    assert found == checked
    if isinstance(found, dict):
        assert all(type(name) is str for name in found)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"running": "1h"}, "retention='running' can't be used: its keys are cancelled, completed and dead"),
        ({3: "1h"}, "its keys are"),
        ({"dead": "soon"}, r"retention\['dead'\]='soon'"),
        ({"dead": -1}, r"retention\['dead'\]=-1"),
        ("11y", "retention="),
        (float("nan"), "retention="),
        (True, "retention="),
        ([("dead", 1)], "retention="),
    ],
)
def test_what_cant_be_used_is_named(value: Any, words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        check_retention(value)


def test_one_duration_is_for_all_final_states() -> None:
    assert by_state(5.0) == {"completed": 5.0, "cancelled": 5.0, "dead": 5.0}
    assert by_state({"dead": 5.0}) == {"dead": 5.0}


@pytest.mark.parametrize(
    ("own", "queue", "shortest"),
    [
        (None, None, 100.0),
        (None, {"completed": 400.0}, 200.0),
        (None, {"completed": 400.0, "cancelled": 400.0, "dead": 7.0}, 7.0),
        (5.0, {"dead": 1.0}, 5.0),
        ({"completed": 150.0}, {"cancelled": 500.0}, 150.0),
        ({"dead": 0.0}, None, 0.0),
    ],
)
def test_a_jobs_word_counts_before_its_queues_and_that_before_the_apps(own: Any, queue: Any, shortest: float) -> None:
    assert kept_at_least(Options(retention=own), queue, APP) == shortest


def test_what_is_declared_counts_where_nothing_is_said() -> None:
    declared = QueueControl(concurrency=5, retention={"dead": 1.0})
    assert completed(QueueControl(), declared) == declared
    paused = QueueControl(paused=True, cools_until=7)
    assert completed(paused, declared) == QueueControl(5, paused=True, cools_until=7, retention={"dead": 1.0})
    said = QueueControl(concurrency=2, retention={})
    assert completed(said, declared) == said
