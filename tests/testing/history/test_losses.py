"""Lost jobs and ghosts."""

from chronicle import Chronicle, names, row

from headrace.testing.history.verdict import Kind


def test_a_job_that_was_promised_and_completed_is_not_lost() -> None:
    history = Chronicle()
    history.enqueue("a")
    history.run("a")
    history.rest(row("a"))
    verdict = history.check()
    assert verdict.is_good
    assert (verdict.counts["acknowledged"], verdict.counts["lost"], verdict.counts["completions"]) == (1, 0, 1)


def test_a_promised_job_that_is_nowhere_is_lost() -> None:
    history = Chronicle()
    history.enqueue("a", "b")
    history.run("b")
    history.rest(row("b"))
    violation = history.only(Kind.LOST)
    assert violation.what == "a was promised at 1002 and is nowhere at the end, at 1007"
    assert names(violation.records) == ["Enqueueing", "Enqueued", "Rows"]
    assert [len(violation.records[0].jobs), len(violation.records[1].answers), len(violation.records[2].jobs)] == [
        1,
        1,
        0,
    ]
    assert history.check().counts["lost"] == 1
