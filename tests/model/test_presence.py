"""What a worker tells of itself: labels from the environment, bounded lists."""

import msgspec
import pytest

from headrace.model.presence import MOST_TASKS, Presence, at_work, introduce

PREFIX, VERSION, ID = "HEADRACE_WORKER_PREFIX", "HEADRACE_WORKER_VERSION", "HEADRACE_WORKER_ID"


@pytest.mark.parametrize(
    ("environment", "label"),
    [
        ({PREFIX: "shop", VERSION: "1.4", ID: "7"}, "shop-worker-1.4-7"),
        ({PREFIX: "shop"}, "shop-worker"),
        ({VERSION: "1.4"}, "worker-1.4"),
        ({ID: "7"}, "worker-7"),
        ({PREFIX: "shop", ID: "7", VERSION: ""}, "shop-worker-7"),
        ({PREFIX: " ", VERSION: "", ID: ""}, "box:42"),
        ({}, "box:42"),
    ],
)
def test_a_label_is_made_of_what_is_set(environment: dict[str, str], label: str) -> None:
    told = introduce("box", 42, environment)
    assert (told.label, told.host, told.pid) == (label, "box", 42)
    assert told.version == environment.get(VERSION, "")


def test_whatever_an_environment_holds_can_be_stored_and_is_bounded() -> None:
    told = introduce("b\x1bx\udcff", 42, {PREFIX: "é\n\udc80", VERSION: "v" * 1000, ID: "\x00"})
    assert msgspec.json.decode(msgspec.json.encode(told), type=Presence) == told
    assert told.host == "b?x?"
    assert told.label.startswith("é??-worker-vvv")
    assert len(told.label) == len(told.version) == 255


def test_tasks_are_listed_in_order_and_those_beyond_the_most_are_counted() -> None:
    told = introduce("box", 42, {})
    few = at_work(told, {"a": 1}, ["z", "a"], 5)
    assert (few.queues, few.tasks, few.more_tasks, few.started_at) == ({"a": 1}, ("a", "z"), 0, 5)
    many = at_work(told, {}, [f"t{number:05}" for number in range(10_000)], 5)
    assert many.tasks == tuple(f"t{number:05}" for number in range(MOST_TASKS))
    assert many.more_tasks == 9_000


def test_every_queue_is_told_others_count_on_it() -> None:
    slots = {f"q{number}": 1 for number in range(10_000)}
    assert at_work(introduce("box", 42, {}), slots, (), 0).queues == slots
