"""What a handler tells of its work: checked, cut, and put together."""

import math
from typing import Any

import pytest

from headrace.model.errors import InvalidOption
from headrace.model.job import LOG_LINES, LogLine, Notes
from headrace.model.notes import LONGEST_LINE, line, merged, progress


@pytest.mark.parametrize("percent", [0, 100, 33.3])
def test_progress_goes_from_0_to_100(percent: float) -> None:
    assert progress(percent, "m") == Notes(percent, "m")


@pytest.mark.parametrize("percent", [-0.1, 100.1, math.nan, math.inf, True, "50", None])
def test_no_other_progress_is_taken(percent: Any) -> None:
    with pytest.raises(InvalidOption, match="from 0 to 100"):
        progress(percent)


def test_a_message_is_text() -> None:
    with pytest.raises(InvalidOption, match="message=7"):
        progress(1, 7)


def test_what_is_too_long_is_cut_with_a_mark() -> None:
    for notes in (progress(1, "é" * 2_000).message, line(0, 1, "info", "é" * 2_000).lines[0].text):
        assert notes is not None
        assert notes.endswith("… (cut)")
        assert LONGEST_LINE - 2 <= len(notes.encode()) <= LONGEST_LINE


def test_the_later_progress_stands_whole_and_lines_follow_each_other() -> None:
    first = Notes(10.0, "m", 5, (LogLine(1, 1, "info", "a"),))
    assert merged(first, Notes(20.0)) == Notes(20.0, None, None, first.lines)
    second = LogLine(2, 1, "info", "b")
    assert merged(first, Notes(lines=(second,))) == Notes(10.0, "m", 5, (*first.lines, second))


def test_the_oldest_lines_go_first() -> None:
    notes = Notes()
    for number in range(LOG_LINES + 7):
        notes = merged(notes, line(number, 1, "info", f"{number}"))
    assert [kept.at for kept in notes.lines] == list(range(7, LOG_LINES + 7))
