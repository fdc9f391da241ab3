"""Real processes on one bucket: kills, takeovers, races."""

import signal

import pytest

from headrace.testing.proxy.http import HttpFaults
from headrace.testing.proxy.thread import ProxyThread
from headrace.testing.servers.s3 import S3Server
from other_process import Other, Refused


def kept_in(url: str) -> set[str]:
    """Ids of all jobs that the next owner finds."""
    with Other(url) as other:
        found = set(other.ask("ids"))
        assert len(other.ask("insert")) == 1
        assert other.ask("close") == []
        return found


def test_a_killed_owner_is_taken_over_at_once_and_nothing_is_lost(fresh_s3: str) -> None:
    with Other(f"{fresh_s3}?lease=1h") as owner:
        kept = {*owner.ask("insert", 5), *owner.ask("insert")}
        owner.begin("insert", 3)  # whether this is kept is not said
        owner.send(signal.SIGKILL)
        owner.kill()
    found = kept_in(fresh_s3)
    assert kept <= found
    assert len(found - kept) in (0, 3)
    assert len(kept_in(fresh_s3)) == len(found) + 1


def test_of_three_that_come_at_once_one_becomes_the_owner_and_stays_it(fresh_s3: str) -> None:
    with Other(fresh_s3) as first, Other(fresh_s3) as second, Other(fresh_s3) as third:
        told: dict[Other, set[str]] = {}
        refusals: set[str] = set()
        for one in (first, second, third):
            one.begin("insert", 2)
        for one in (first, second, third):
            try:
                told[one] = set(one.finish())
            except Refused as refused:
                refusals.add(refused.name)
        assert refusals == {"StoreOwned"}
        ((owner, kept),) = told.items()
        for _ in range(3):
            kept |= set(owner.ask("insert"))
        assert set(owner.ask("ids")) == kept


def test_the_fenced_owner_is_told_also_where_it_could_not_write_meanwhile(
    fresh_s3: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was cut off, another came by another way, and then the network is well again."""
    with ProxyThread("127.0.0.1", s3_server.port, speaks=HttpFaults().dialogue) as thread:
        with monkeypatch.context() as patch:
            for name, value in s3_server.environment(thread.port).items():
                patch.setenv(name, value)
            owner = Other(fresh_s3)
        with owner, Other(f"{fresh_s3}?takeover=1") as other:
            kept = set(owner.ask("insert", 3))
            thread.ask(lambda proxy: (proxy.refuse(), proxy.cut()))
            owner.begin("insert", 2)
            thread.wait(lambda proxy: proxy.counts.refused > 0, 20)
            kept |= set(other.ask("insert"))
            thread.ask(lambda proxy: proxy.heal())
            with pytest.raises(Refused, match=f"owned by process {other.pid} on"):
                owner.finish()
            refused = owner.refusal("ids")
            assert refused is not None
            assert refused.name == "StoreOwned"
            assert set(other.ask("ids")) == kept
