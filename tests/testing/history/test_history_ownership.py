"""Overlapping ownership."""

from chronicle import Chronicle, names

from headrace.model.state import State
from headrace.testing.history.records import Leased
from headrace.testing.history.verdict import Kind


def held(until: int) -> Chronicle:
    history = Chronicle()
    history.tell(Leased, worker="w1", until=until)
    history.grant("a", worker="w1")
    return history


def test_a_rescue_from_a_worker_whose_lease_has_run_out_is_no_overlap() -> None:
    history = held(1_500)
    history.now = 1_500
    history.grant("a", 2, worker="w2", rescued=True)
    history.settle("a", 2, State.RETRYING, worker="w2", reason="crashed", delay=0)
    assert history.is_good()


def test_a_rescue_from_a_live_worker_is_an_overlap() -> None:
    history = held(1_500)
    history.grant("a", 2, worker="w2", rescued=True)
    violation = history.only(Kind.OVERLAP)
    what = "a was given to w2 under generation 2 at 1003, while w1 held it under generation 1 with a lease until 1500"
    assert violation.what == what
    assert names(violation.records) == ["Leased", "Granted", "Granted"]
    assert history.check().is_good, "where the order is not exact nobody knows"


def beating(*beats: int, rescued_at: int) -> Chronicle:
    """A worker beats for 100 ms at each of these instants; its job, claimed at 1,001, is taken over."""
    history = Chronicle()
    for at in beats:
        history.tell(Leased, at=at, worker="w1", until=at + 100)
    history.grant("a", worker="w1", at=1_001, started_at=1_001)
    history.grant("a", 2, worker="w2", rescued=True, at=rescued_at, started_at=1_001)
    return history


def test_where_only_instants_are_known_a_worker_that_never_stopped_beating_is_robbed() -> None:
    violation = beating(1_000, 1_050, 1_120, 1_190, 1_230, rescued_at=1_200).only(Kind.OVERLAP, exact=False)
    assert violation.what.endswith("w1 held it under generation 1 since 1001 and never let its lease run out")
    assert names(violation.records) == [*["Leased"] * 5, "Granted", "Granted"]


def test_where_only_instants_are_known_one_that_stopped_for_a_while_or_for_good_is_not() -> None:
    assert beating(1_000, 1_050, 1_131, 1_190, 1_230, rescued_at=1_200).check().is_good
    assert beating(1_000, 1_050, 1_120, 1_190, rescued_at=1_200).check().is_good
    assert beating(1_050, 1_120, 1_190, 1_230, rescued_at=1_200).check().is_good
    assert beating(rescued_at=1_200).check().is_good


def test_a_late_beat_revives_a_lease() -> None:
    history = held(1_500)
    history.now = 2_000
    history.tell(Leased, worker="w1", until=4_000)
    history.grant("a", 2, worker="w2", rescued=True)
    assert history.only(Kind.OVERLAP)


def test_a_worker_that_ended_its_lease_holds_nothing() -> None:
    history = held(1_500)
    history.tell(Leased, worker="w1", until=history.now + 1)
    history.grant("a", 2, worker="w2", rescued=True)
    assert history.is_good()


def test_a_claim_of_a_running_job_is_an_overlap() -> None:
    history = Chronicle()
    history.grant("a", worker="w1")
    history.grant("a", 2, worker="w2")
    assert history.only(Kind.OVERLAP).what.endswith("a claim takes no running job")


def test_a_claim_of_a_job_that_was_put_back_is_none() -> None:
    history = Chronicle()
    history.grant("a", worker="w1")
    history.settle("a", 1, State.PENDING, reason="interrupted")
    history.grant("a", 2, worker="w2")
    assert history.is_good()


def test_a_generation_that_was_given_out_twice_is_an_overlap() -> None:
    history = Chronicle()
    history.grant("a", worker="w1")
    history.grant("a", worker="w2")
    violation = history.only(Kind.OVERLAP, exact=False)
    assert violation.what == "a was given out twice under generation 1: to w1 at 1001 and to w2 at 1002"


def test_two_handlers_under_one_generation_are_an_overlap() -> None:
    history = Chronicle()
    history.grant("a")
    history.start("a", worker="w1")
    history.start("a", worker="w2")
    assert "a began twice under generation 1" in history.only(Kind.OVERLAP, exact=False).what
