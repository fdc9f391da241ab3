"""Results are those of the run that completed the job."""

from chronicle import Chronicle, names, row

from headrace.model.state import State
from headrace.testing.history.records import Waited
from headrace.testing.history.verdict import Kind


def completed(returned: str | None, kept: str | None, told: str | None = None) -> Chronicle:
    history = Chronicle()
    history.grant("a")
    history.start("a")
    history.end("a", result=returned)
    history.settle("a", result=kept)
    history.tell(Waited, job="a", state=State.COMPLETED, result=told)
    history.rest(row("a", result=kept))
    return history


def test_what_was_returned_is_kept_and_told() -> None:
    assert completed('{"x": 1}', '{"x":1}', '{"x":1}').is_good()
    assert completed("null", None).is_good()
    assert completed(None, "7").is_good()


def test_another_result_than_the_handlers() -> None:
    kinds = {violation.kind for violation in completed("1", "2").check().violations}
    assert kinds == {Kind.RESULT}
    history = completed("1", "2")
    history.records = [record for record in history.records if type(record).__name__ != "Settled"]
    violation = history.only(Kind.RESULT, exact=False)
    assert violation.what == "a has the result 2; under generation 1 its handler returned 1"
    assert names(violation.records) == ["Ended", "Rows"]


def test_another_result_than_was_told() -> None:
    violation = completed("1", "1", "3").only(Kind.RESULT)
    assert violation.what == "who waited for a was told at 1005: completed with 3; it is completed with 1"


def test_the_result_of_a_fenced_run_is_not_kept() -> None:
    history = Chronicle()
    history.end("a", 1, result="1")
    history.end("a", 3, result="3")
    history.rest(row("a", generation=3, result="1"))
    assert history.only(Kind.RESULT, exact=False)


def test_a_job_that_completed_and_never_ran() -> None:
    history = Chronicle()
    history.end("b")
    history.rest(row("a"), row("b"))
    assert history.only(Kind.RESULT, exact=False).what == "a is completed under generation 1 and never ran to its end"


def test_a_job_that_completed_under_a_generation_under_which_no_run_ended() -> None:
    history = Chronicle()
    history.end("a", 1)
    history.rest(row("a", generation=3))
    violation = history.only(Kind.RESULT, exact=False)
    assert violation.what == "a is completed under generation 3; runs ended under 1"


def test_a_job_that_completed_though_its_handler_failed() -> None:
    history = Chronicle()
    history.end("a", outcome="raised")
    history.rest(row("a"))
    assert "whose handler ended so: raised" in history.only(Kind.RESULT, exact=False).what


def test_a_result_that_could_not_be_kept() -> None:
    history = Chronicle()
    history.grant("a")
    history.end("a", result="1")
    history.settle("a")
    history.rest(row("a", result_error="too large"))
    assert history.is_good()
