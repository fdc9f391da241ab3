"""A server that goes away under a fleet of workers, and comes back: nothing is lost, nobody stays silent, and nobody
knocks too often meanwhile.

``make outage`` takes a minute with 32 workers and 10,000 jobs due, and keeps its figures.
"""

import asyncio
import os
from pathlib import Path

import msgspec
import pytest
from outage import SECRET, Kind, Outcome, Plan, run

from headrace.testing.servers.postgres import PostgresServer

CLAIMS_RESUME = 5.0
"""Seconds."""
FIGURES = Path(__file__).parents[2] / "docs" / "explanation" / "data" / "outage-postgres.json"


def check(outcome: Outcome) -> None:
    assert outcome.last_worker <= CLAIMS_RESUME, outcome
    assert 0 < outcome.tries <= outcome.most_tries, outcome
    assert outcome.crashes == outcome.ran_twice == 0, outcome


PLANS = {
    "refuses": Plan(workers=8, jobs=1000, seconds=5.0, lease=3.0, outlasts=True),
    "swallows": Plan(workers=8, jobs=1000, seconds=4.0, kind="swallows"),
}
"""After the first all leases have run out, and whoever beats first could take the others' jobs for crashed."""


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_every_worker_claims_again_within_five_seconds(
    plan: Plan, fresh_postgres: str, caplog: pytest.LogCaptureFixture
) -> None:
    check(asyncio.run(run(plan, fresh_postgres, within=30.0)))
    assert "can't be reached" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.skipif(not os.environ.get("HEADRACE_OUTAGE"), reason="takes minutes: make outage")
@pytest.mark.timeout(900)
def test_a_minute_with_ten_thousand_jobs_due() -> None:
    kinds: tuple[Kind, ...] = ("refuses", "swallows")
    outcomes = []
    with PostgresServer.start(durable=True, settings={"max_connections": "400"}) as server:
        for kind in kinds:
            plan = Plan(workers=32, jobs=10_000, seconds=60.0, kind=kind)
            outcomes.append(asyncio.run(run(plan, server.create_database(), within=120.0)))
    FIGURES.write_bytes(msgspec.json.format(msgspec.json.encode(outcomes), indent=2) + b"\n")
    for outcome in outcomes:
        check(outcome)
