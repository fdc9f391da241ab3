"""Verdicts as text and as JSON, histories as files, and what is shown of a violation."""

from pathlib import Path

import msgspec
import pytest
from chronicle import Chronicle, names, row, wanted

from headrace.model.state import State
from headrace.testing.history import shrinking
from headrace.testing.history.checker import SHRUNK, check
from headrace.testing.history.reading import read_history
from headrace.testing.history.records import Bought, Declared, Died, Leased, encode
from headrace.testing.history.report import as_json, as_line, as_text
from headrace.testing.history.verdict import Kind


def lost(number: int) -> Chronicle:
    history = Chronicle()
    history.enqueue(*(f"job-{one:02}" for one in range(number)))
    history.rest()
    return history


def test_a_violation_is_told_in_a_line_with_its_records_under_it_and_the_counts_last() -> None:
    lines = as_text(lost(1).check()).split("\n")
    assert lines[0] == "lost: job-00 was promised at 1002 and is nowhere at the end, at 1003"
    assert lines[1].startswith("    1001 producer: Enqueueing call=1 jobs=[{id=job-00 task=work")
    assert lines[2] == "    1002 producer: Enqueued call=1 answers=[{id=job-00 duplicate=False}]"
    assert lines[3] == "    1003 p: Rows"
    assert lines[4].startswith("asked=1 acknowledged=1 ")
    assert lines[4].endswith(" violations=1 FAIL")


def test_a_good_history_is_told_in_one_line() -> None:
    text = as_text(Chronicle().check())
    assert "\n" not in text
    assert text.endswith("violations=0 PASS")


def test_of_very_many_violations_some_are_told() -> None:
    text = as_text(lost(30).check(), most=3)
    assert text.count("\nlost:") + text.startswith("lost:") == 3
    assert "... and 27 more violations" in text


def test_rows_are_told_in_short() -> None:
    history = Chronicle()
    history.rest(row("a", State.DEAD))
    assert as_line(history.records[0]) == "1001 p: Rows jobs=[a dead under generation 1]"


def test_a_verdict_as_json() -> None:
    told = msgspec.json.decode(as_json(lost(1).check()))
    assert (told["is_good"], told["counts"]["lost"], told["violations"][0]["kind"]) == (False, 1, "lost")
    assert [record["type"] for record in told["violations"][0]["records"]] == ["Enqueueing", "Enqueued", "Rows"]


def test_files_of_several_processes_become_one_history(tmp_path: Path) -> None:
    history = lost(2)
    history.tell(Died, at=1_001)
    (tmp_path / "one").write_bytes(b"".join(encode(record) + b"\n" for record in history.records[:2]))
    (tmp_path / "two").write_bytes(b"".join(encode(record) + b"\n" for record in history.records[2:]))
    (tmp_path / "three").write_bytes(b"")
    records = read_history([tmp_path / "one", tmp_path / "two", tmp_path / "three"])
    assert names(records) == ["Enqueueing", "Died", "Enqueued", "Rows"]
    assert check(records) == check([*history.records[:1], history.records[-1], *history.records[1:-1]])


def test_a_line_that_a_killed_writer_did_not_finish_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "torn"
    first, second, _ = map(encode, lost(1).records)
    path.write_bytes(first + b"\n" + second[:-5])
    assert names(read_history([path])) == ["Enqueueing"]
    path.write_bytes(first + b"\n" + second)
    assert names(read_history([path])) == ["Enqueueing", "Enqueued"]


def test_a_damaged_line_before_the_last_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    first, second, _ = map(encode, lost(1).records)
    path.write_bytes(first[:-5] + b"\n" + second + b"\n")
    with pytest.raises(ValueError, match="damaged, line 1: "):
        read_history([path])


def test_what_is_shown_leaves_out_other_jobs_and_all_that_is_not_needed() -> None:
    history = Chronicle()
    history.enqueue(*(wanted(f"job-{one:02}") for one in range(50)))
    for one in range(50):
        history.tell(Leased, worker="w1", until=99_999)
        history.run(f"job-{one:02}")
    history.settle("job-07")
    history.rest(*(row(f"job-{one:02}") for one in range(50)))
    assert names(history.only(Kind.DOUBLE_COMPLETION).records) == ["Settled", "Settled"]


def test_only_some_violations_of_a_kind_are_cut_down_and_all_are_told() -> None:
    verdict = lost(SHRUNK + 5).check()
    assert len(verdict.violations) == SHRUNK + 5
    assert [len(violation.records) for violation in verdict.violations] == [3] * (SHRUNK + 5)


def test_cutting_down_takes_no_more_than_so_much_effort(monkeypatch: pytest.MonkeyPatch) -> None:
    history = Chronicle()
    history.tell(Declared, at=0, limit="api", count=1, period=1_000, burst=1_000)
    for _ in range(1_001):
        history.tell(Bought, at=1_000, limit="api", number=1)
    looks = 0
    says = shrinking._says

    def counted(*arguments: object) -> bool:
        nonlocal looks
        looks += 1
        return says(*arguments)

    monkeypatch.setattr(shrinking, "_says", counted)
    (violation,) = history.check(exact=True).violations
    assert len(violation.records) == 1_002
    assert looks < 30
