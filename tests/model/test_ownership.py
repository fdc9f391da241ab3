"""Who may take over a store that one process writes to."""

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from headrace.model.ownership import Onlooker, Owner, is_stale

SEEN = 1_800_000_000_000
OWNER = Owner("token", "here", "this boot", 10, born=500, since=SEEN - 60_000, seen=SEEN, lease=30.0)
LEASE_ENDS = SEEN + 30_000


def asks(
    now: int = SEEN, *, pid: int = 20, host: str = "here", boot: str = "this boot", born: int | None = 500
) -> Onlooker:
    """From beside a process 10 that was born then, or is not there."""
    processes: Mapping[int, int | None] = {10: born, 20: 900}
    return Onlooker(host, boot, pid, now, processes.get)


@pytest.mark.parametrize(
    ("why", "onlooker", "stale"),
    [
        ("it lives", asks(), False),
        ("it lives, a moment before its lease runs out", asks(LEASE_ENDS - 1), False),
        ("its lease has run out", asks(LEASE_ENDS), True),
        ("its lease has run out long ago", asks(SEEN + 10**12), True),
        ("it is gone", asks(born=None), True),
        ("it is gone, and its pid used again", asks(born=501), True),
        ("it is who asks, and did not get to say that it left", asks(pid=10), True),
        ("of another machine nothing is known but the lease", asks(host="there", born=None), False),
        ("nor of another boot, whose clock may be wrong", asks(boot="another boot", born=None), False),
        ("the same pid elsewhere is somebody else", asks(host="there", pid=10), False),
        ("the lease of another machine runs out too", asks(LEASE_ENDS, host="there", born=None), True),
        ("a clock that is behind gives it more time, and no less", asks(SEEN - 10**9), False),
    ],
)
def test_whether_it_may_be_taken_over(why: str, onlooker: Onlooker, stale: bool) -> None:
    assert is_stale(OWNER, onlooker) is stale, why


def test_the_lease_is_the_owners_own() -> None:
    assert is_stale(replace(OWNER, lease=0.5), asks(SEEN + 500))
    assert not is_stale(replace(OWNER, lease=3600.0), asks(SEEN + 3_599_999))


def test_where_no_machine_says_when_a_process_began_the_pid_decides() -> None:
    assert not is_stale(replace(OWNER, born=0), asks(born=0))
    assert is_stale(replace(OWNER, born=0), asks(born=None))
