"""What was put in is there or was taken out."""

from chronicle import Chronicle, row

from headrace.testing.history.records import Died, Removed
from headrace.testing.history.verdict import Kind


def removed(number: int, *left: str) -> Chronicle:
    """Of three jobs that ended these are left."""
    history = Chronicle()
    history.enqueue("a", "b", "c")
    for job in ("a", "b", "c"):
        history.run(job)
    history.tell(Removed, number=number)
    history.rest(*map(row, left))
    return history


def test_as_many_are_gone_as_were_removed() -> None:
    assert removed(2, "b").is_good()


def test_more_removed_than_gone() -> None:
    assert removed(3, "b").only(Kind.CONSERVATION).what == "3 jobs were removed, and 2 of those asked for are gone"


def test_more_gone_than_removed() -> None:
    assert removed(1, "b").only(Kind.CONSERVATION).what == "2 final jobs are gone, and 1 were removed"


def test_the_killed_may_have_removed_some() -> None:
    history = removed(1, "b")
    history.tell(Died)
    assert history.check().is_good


def test_a_row_that_is_there_twice() -> None:
    history = Chronicle()
    history.enqueue("a")
    history.run("a")
    history.rest(row("a"), row("a"))
    assert history.only(Kind.CONSERVATION, exact=False).what == "a is in the store 2 times at the end"
