"""What follows from the death of a worker process."""

import pytest

from headrace.interface.cli.respawning import HEALTHY, MOST_UNREADY, Death, GiveUp, Past, Respawn, ending, judge
from headrace.runtime.worker import BLOCKED_EXIT

EVEN = 0.5
"""The random number that leaves a jittered delay as it is."""
KILLED = -9


def test_deaths_in_a_row_wait_longer_each_time_up_to_a_cap() -> None:
    past, delays = Past(), []
    for _ in range(12):
        verdict = judge(past, Death(KILLED, 1.0), ever_ready=True, random=EVEN)
        assert isinstance(verdict, Respawn)
        past = verdict.past
        delays.append(verdict.delay)
    assert delays[:4] == [0.2, 0.4, 0.8, 1.6]
    assert delays == sorted(delays)
    assert delays[-1] == 30.0


def test_the_delay_is_jittered() -> None:
    delays = {judge(Past(), Death(KILLED, 1.0), ever_ready=True, random=random).delay for random in (0.0, 0.5, 0.999)}
    assert len(delays) == 3
    assert all(0.1 <= delay <= 0.3 for delay in delays)


def test_a_healthy_while_is_a_new_beginning() -> None:
    verdict = judge(Past(9, 3), Death(KILLED, HEALTHY), ever_ready=True, random=EVEN)
    assert verdict == Respawn(0.2, Past(1, 0))


def test_who_was_ready_forgets_unready_deaths() -> None:
    verdict = judge(Past(4, 4), Death(KILLED, 1.0), ever_ready=True, random=EVEN)
    assert isinstance(verdict, Respawn)
    assert verdict.past == Past(5, 0)


def test_a_process_that_ended_itself_for_a_blocked_loop_is_replaced_at_once() -> None:
    assert judge(Past(7), Death(BLOCKED_EXIT, 1.0), ever_ready=True, random=EVEN) == Respawn(0.0, Past())


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_what_a_child_refuses_at_the_first_start_ends_the_supervisor_with_its_code(code: int) -> None:
    verdict = judge(Past(), Death(code, None), ever_ready=False, random=EVEN)
    assert isinstance(verdict, GiveUp)
    assert verdict.code == code


@pytest.mark.parametrize(("code", "ever_ready", "expected"), [(KILLED, False, 1), (KILLED, True, 1), (3, True, 3)])
def test_five_deaths_before_it_was_ready_are_enough(code: int, ever_ready: bool, expected: int) -> None:
    past = Past()
    for _ in range(MOST_UNREADY - 1):
        verdict = judge(past, Death(code, None), ever_ready=ever_ready, random=EVEN)
        assert isinstance(verdict, Respawn)
        past = verdict.past
    verdict = judge(past, Death(code, None), ever_ready=ever_ready, random=EVEN)
    assert isinstance(verdict, GiveUp)
    assert verdict.code == expected


def test_a_store_that_was_there_once_is_waited_for() -> None:
    past = Past()
    for _ in range(100):
        verdict = judge(past, Death(4, None), ever_ready=True, random=EVEN)
        assert isinstance(verdict, Respawn)
        past = verdict.past
    assert verdict.delay == 30.0


def test_endings_are_told_in_words() -> None:
    assert ending(-9) == "killed by signal 9"
    assert ending(3) == "exit code 3"
    assert "blocked" in ending(BLOCKED_EXIT)
