"""An exception and what led to it, as one line: whatever the exception does."""

from typing import Any

import pytest

from headrace import format_error_chain


def raised(*messages: str, cause: bool) -> BaseException:
    """One exception for each message, the last of which came first."""
    error: BaseException | None = None
    for message in reversed(messages):
        follower = ValueError(message)
        if cause:
            follower.__cause__ = error
        else:
            follower.__context__ = error
        error = follower
    assert error is not None
    return error


class Broken(Exception):
    def __str__(self) -> str:
        raise SystemExit("no text")


class Hidden(ExceptionGroup[Exception]):
    """All that is read of it fails."""

    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise KeyError

    @property
    def __suppress_context__(self) -> Any:  # type: ignore[override]
        raise KeyError

    @property
    def exceptions(self) -> Any:
        raise KeyError


@pytest.mark.parametrize("cause", [True, False])
def test_the_top_comes_first_and_the_root_last(cause: bool) -> None:
    assert format_error_chain(raised("top", "middle", "root", cause=cause)) == "top: middle: root"


def test_what_was_being_handled_counts_unless_it_was_hidden() -> None:
    handled, hidden = ValueError("top"), ValueError("top")
    handled.__context__ = hidden.__context__ = KeyError("root")
    hidden.__suppress_context__ = True
    assert format_error_chain(handled) == "top: 'root'"
    assert format_error_chain(hidden) == "top"


def test_one_without_words_is_told_by_its_type() -> None:
    assert format_error_chain(ValueError()) == "ValueError"


def test_a_text_that_raises_is_told_as_such_and_the_rest_stays() -> None:
    error = Broken()
    error.__cause__ = ValueError("root")
    assert format_error_chain(error) == "<Broken whose text failed>: root"


def test_a_circle_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert format_error_chain(first) == "first: second"
    first.__cause__ = first
    assert format_error_chain(first) == "first"


def test_a_group_tells_of_its_members_and_their_chains() -> None:
    group = ExceptionGroup("many", [raised("a", "b", cause=True), KeyError("c"), ExceptionGroup("few", [OSError("d")])])  # type: ignore[list-item]
    group.__cause__ = ValueError("root")
    assert format_error_chain(group) == "many (3 sub-exceptions) [a: b; 'c'; few (1 sub-exception) [d]]: root"


def test_a_group_that_holds_what_led_to_it_ends() -> None:
    member = ValueError("a")
    group = ExceptionGroup("g", [member])
    member.__context__ = group
    assert format_error_chain(group) == "g (1 sub-exception) [a]"


def test_no_class_can_hide_its_chain_or_break_the_telling() -> None:
    assert format_error_chain(Hidden("g", [ValueError("a")])) == "g (1 sub-exception) [a]"


@pytest.mark.parametrize("width", [1, 5_000])
@pytest.mark.parametrize("depth", [1, 5_000])
def test_it_is_bounded_and_quick_however_wide_or_deep(depth: int, width: int) -> None:
    error: Exception = ExceptionGroup("é" * 5_000, [ValueError("x")] * width)
    for number in range(depth):
        outer = ExceptionGroup(f"{number}", [error])
        outer.__cause__ = error
        error = outer
    text = format_error_chain(error)
    assert len(text.encode()) <= 8 * 1024


def test_long_messages_are_cut_with_a_mark() -> None:
    text = format_error_chain(ValueError("é" * 100_000))
    assert text.endswith("… (cut)")
    assert 8 * 1024 - 2 <= len(text.encode()) <= 8 * 1024


def test_lone_surrogates_do_no_harm() -> None:
    assert format_error_chain(ValueError("a\ud800b")) == "a?b"
