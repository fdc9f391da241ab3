"""What came of a run: as data, and as the one line that says it all."""

import os
import platform
from collections.abc import Mapping, Sequence

import msgspec

from headrace.testing.history.verdict import Violation


class Request(msgspec.Struct, frozen=True):
    """What was asked for."""

    storage: str
    kills: int
    seed: int
    scenario: str = "storm"
    wishes: Mapping[str, str] = {}
    seconds: float | None = None
    """The storm ends after so many, whatever number of kills there were."""

    @property
    def command(self) -> str:
        """The line that asks for the same again."""
        parts = [f"--storage {self.storage} --kills {self.kills} --seed {self.seed}"]
        if self.scenario != "storm":
            parts.append(f"--scenario {self.scenario}")
        parts += [f"--set {name}={value}" for name, value in self.wishes.items()]
        if self.seconds is not None:
            parts.append(f"--seconds {self.seconds:g}")
        return f"python -m headrace.testing.chaos {' '.join(parts)}"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    request: Request
    commit: str
    hardware: Mapping[str, str]
    python: str
    seconds: Mapping[str, float]
    """Of each phase."""
    faults: Mapping[str, int]
    counts: Mapping[str, int]
    integrity: str
    violations: Sequence[Violation] = ()
    objections: Sequence[str] = ()
    folder: str = ""

    @property
    def is_good(self) -> bool:
        """Nothing happened that may not."""
        return self.integrity == "ok" and not self.violations and not self.objections

    @property
    def line(self) -> str:
        """The verdict."""
        kills, counts = self.faults.get("kills", 0), self.counts
        refused = counts.get("stale_writes_refused", 0)
        own = {"kills", "kill", "stop", "terms"}
        further = [f"{name}={number}" for name, number in self.faults.items() if name not in own and " " not in name]
        parts = [
            f"{self.request.storage} seed={self.request.seed} commit={self.commit or '?'}",
            f"kills={kills} stops={self.faults.get('stop', 0)} terms={self.faults.get('terms', 0)}",
            *further,
            *(f"{name}={counts.get(name, 0)}" for name in _SHOWN),
            f"stale_writes_rejected={refused}/{refused + counts.get('stale_writes_accepted', 0)}",
            f"integrity={self.integrity.replace(' ', '_')}",
            f"bound=3/{kills}={3 / max(1, kills):.2g}" if not counts.get("lost") else "bound=none",
            "PASS" if self.is_good else "FAIL",
        ]
        return " ".join(parts)


_SHOWN = ("acknowledged", "lost", "duplicate_starts", "double_completions")


def hardware() -> Mapping[str, str]:
    """What it ran on."""
    return {
        "cores": str(os.cpu_count()),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
    }
