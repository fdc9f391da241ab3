"""Routers: prefixes, the order of asking, and answers that are none."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.errors import InvalidName, InvalidOption, RoutingFailed
from headrace.model.routing import PrefixRouter, Routers, as_router


def test_a_prefix_router_knows_its_tasks_by_how_they_begin() -> None:
    route = PrefixRouter({"gh_": "gh", "slack_": "slack"})
    assert [route(task) for task in ("gh_sync", "slack_post", "mail", "gh", "a_gh_")] == [
        "gh",
        "slack",
        None,
        None,
        None,
    ]


def test_the_longest_prefix_wins_whatever_the_order() -> None:
    queues = {"": "rest", "gh_": "gh", "gh_slow_": "slow", "gh_slow_one": "one"}
    for given_queues in (queues, dict(reversed(queues.items()))):
        route = PrefixRouter(given_queues)
        assert [route(task) for task in ("x", "gh_a", "gh_slow_a", "gh_slow_one")] == ["rest", "gh", "slow", "one"]


names = st.text("ab_", min_size=1, max_size=6)


@given(st.dictionaries(st.text("ab_", max_size=4), st.sampled_from(["q1", "q2", "q3"])), names)
def test_a_prefix_router_answers_as_trying_all_prefixes_does(queues: dict[str, str], task: str) -> None:
    fitting = [prefix for prefix in queues if task.startswith(prefix)]
    assert PrefixRouter(queues)(task) == (queues[max(fitting, key=len)] if fitting else None)


@pytest.mark.parametrize("queues", [None, [("gh_", "gh")], "gh_", 3])
def test_a_prefix_router_takes_a_mapping(queues: Any) -> None:
    with pytest.raises(InvalidOption, match="queues="):
        PrefixRouter(queues)


@pytest.mark.parametrize("prefix", ["gh ", "ä", "gh\0", 3, None, "x" * 256])
def test_a_prefix_that_no_task_can_begin_with_is_refused(prefix: Any) -> None:
    with pytest.raises(InvalidOption, match="prefix="):
        PrefixRouter({prefix: "gh"})


@pytest.mark.parametrize("queue", ["", "a queue", "a/b", None, 3])
def test_a_prefix_leads_to_a_queue(queue: Any) -> None:
    with pytest.raises(InvalidName, match="queue name"):
        PrefixRouter({"gh_": queue})


def test_routers_are_asked_in_order_and_the_first_answer_counts() -> None:
    routers = Routers().and_also(lambda task: "first" if task == "a" else None).and_also(lambda task: "second")
    assert [routers.queue_for(task) for task in ("a", "b")] == ["first", "second"]


def test_without_an_answer_it_is_the_default_queue() -> None:
    assert Routers().queue_for("a") == "default"
    assert Routers(lambda task: None).queue_for("a") == "default"


@pytest.mark.parametrize("answer", ["", "a queue", 3, True, ["q"], b"q", "q" * 256])
def test_an_answer_that_is_no_queue_names_the_router_and_the_task(answer: Any) -> None:
    def by_mood(task: str) -> Any:
        return answer

    with pytest.raises(RoutingFailed, match=r"router .*by_mood gave no queue for task 'a': the queue name .* must be"):
        Routers(by_mood).queue_for("a")


def test_what_a_router_raises_is_the_cause() -> None:
    def broken(task: str) -> str:
        raise KeyError(task)

    with pytest.raises(
        RoutingFailed, match=r"broken gave no queue for task 'a': it raised KeyError; it must"
    ) as caught:
        Routers(broken).queue_for("a")
    assert isinstance(caught.value.__cause__, KeyError)


async def never(task: str) -> str:
    return "never"


@pytest.mark.parametrize("router", [None, "gh", 3, ["gh"], never])
def test_what_can_not_be_asked_is_refused(router: Any) -> None:
    with pytest.raises(InvalidOption, match="router="):
        as_router(router)


def test_a_mapping_stands_for_its_prefixes() -> None:
    assert as_router({"gh_": "gh"})("gh_a") == "gh"
    assert repr(as_router({"gh_": "gh"})) == "PrefixRouter({'gh_': 'gh'})"
