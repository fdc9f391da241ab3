"""The power is cut under a store in SQLite: nothing acknowledged is lost at ``full``; and losses would be seen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.testing.powercut.__main__ import main
from headrace.testing.powercut.recording import NoRecorder
from headrace.testing.powercut.run import cut_power
from headrace.testing.powercut.verdict import Verdict

pytestmark = pytest.mark.timeout(300)

Cut = Callable[..., Verdict]


@pytest.fixture
def cut(missing: Callable[[str, str], None]) -> Cut:
    def cut_or_skip(cuts: int, seed: int, durability: str, **options: Any) -> Verdict:
        try:
            return cut_power(cuts, seed, durability, **options)
        except NoRecorder as error:
            missing("strace", str(error))
            raise

    return cut_or_skip


def test_at_full_nothing_that_was_acknowledged_is_lost(cut: Cut) -> None:
    verdict = cut(150, 7, "full")
    assert verdict.holds, verdict.examples
    assert (verdict.lost, verdict.ghosts, verdict.damaged) == (0, 0, 0)
    assert verdict.uncertain > 50
    assert verdict.promised > 10_000


def test_what_was_refused_because_a_sync_failed_is_not_there_later(cut: Cut) -> None:
    verdict = cut(100, 7, "full", rounds=20, failing_syncs=True)
    assert verdict.failed_syncs > 3
    assert verdict.holds, verdict.examples


def test_where_it_is_not_written_over_it_would_be(cut: Cut) -> None:
    """Proof that the tool can tell."""
    assert cut(100, 7, "haunted", rounds=20, failing_syncs=True).ghosts > 0


def test_at_normal_the_last_ones_may_be_lost_and_nothing_is_damaged(cut: Cut) -> None:
    verdict = cut(60, 7, "normal")
    assert verdict.holds, verdict.examples
    assert verdict.lost > 0
    assert (verdict.ghosts, verdict.holes, verdict.damaged) == (0, 0, 0)


def test_without_any_sync_losses_and_damage_are_seen(cut: Cut) -> None:
    """Proof that the tool can tell: the program is the same, but for the syncs."""
    verdict = cut(40, 7, "off")
    assert verdict.lost > 0
    assert verdict.damaged > 0


def test_the_command_writes_one_line_and_its_verdict_as_json(
    cut: Cut, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut(1, 1, "full", rounds=1)  # or there is no strace
    told = tmp_path / "verdict.json"
    assert main(["--cuts", "3", "--rounds", "2", "--json", str(told)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("power cuts at durability=full, seed 7: 3 cuts")
    assert line.endswith(": holds")
    assert '"durability": "full"' in told.read_text()
