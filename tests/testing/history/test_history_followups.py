"""Jobs that a completion brings along."""

from chronicle import Chronicle, names, row, wanted

from headrace.model.state import State
from headrace.testing.history.records import Removed
from headrace.testing.history.verdict import Kind


def family(*, applied: bool = True) -> Chronicle:
    history = Chronicle()
    history.enqueue("parent")
    history.ask(wanted("child", parent="parent"))
    history.grant("parent")
    history.start("parent")
    history.end("parent")
    history.settle("parent", then=["child"], applied=applied)
    return history


def test_a_job_that_was_brought_along() -> None:
    history = family()
    history.run("child")
    history.rest(row("parent"), row("child"))
    assert history.is_good()


def test_a_job_that_was_brought_along_and_is_nowhere() -> None:
    history = family()
    history.rest(row("parent"))
    violation = history.only(Kind.FOLLOW_UP, exact=False)
    assert violation.what == "child is nowhere, though the completion of parent was let through at 1007"
    assert names(violation.records) == ["Settled", "Rows"]


def test_a_job_that_was_brought_along_and_removed() -> None:
    history = family()
    history.grant("child")
    history.settle("child")
    history.tell(Removed, number=1)
    history.rest(row("parent"))
    assert history.is_good()


def test_a_job_whose_bringer_was_refused() -> None:
    history = family(applied=False)
    history.run("child")
    assert "what was to bring it along was refused at 1007" in history.only(Kind.FOLLOW_UP).what
    assert history.check().is_good, "another attempt may have brought it, and its writer may have been killed"


def test_a_job_whose_parent_is_dead() -> None:
    history = Chronicle()
    history.enqueue("parent")
    history.ask(wanted("child", parent="parent"))
    history.run("child")
    history.rest(row("parent", State.DEAD, reason="timeout"), row("child"))
    violation = history.only(Kind.FOLLOW_UP, exact=False)
    assert violation.what == "child exists, though parent, which was to bring it along, is dead"


def test_a_follow_up_that_is_a_duplicate_need_not_exist() -> None:
    history = Chronicle()
    history.enqueue("parent")
    history.ask(wanted("child", parent="parent", key="k"))
    history.grant("parent")
    history.settle("parent", then=["child"])
    history.rest(row("parent"))
    assert history.is_good()
