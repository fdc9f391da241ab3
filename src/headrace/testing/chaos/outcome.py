"""What came of a run: as data, and as the one line that says it all."""

import os
import platform
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from headrace.testing.history.verdict import Violation

N = TypeVar("N", int, float)


class Request(msgspec.Struct, frozen=True):
    """What was asked for."""

    storage: str
    kills: int
    seed: int
    scenario: str = "storm"
    wishes: Mapping[str, str] = {}
    seconds: float | None = None
    """A storm ends after so many, whatever number of kills there were."""
    slices: int = 1
    """How many storms, each on a store of its own and with the next seed, share the kills."""

    @property
    def command(self) -> str:
        """The line that asks for the same again."""
        parts = [f"--storage {self.storage} --kills {self.kills} --seed {self.seed}"]
        if self.scenario != "storm":
            parts.append(f"--scenario {self.scenario}")
        parts += [f"--set {name}={value}" for name, value in self.wishes.items()]
        if self.seconds is not None:
            parts.append(f"--seconds {self.seconds:g}")
        if self.slices > 1:
            parts.append(f"--slices {self.slices}")
        return f"python -m headrace.testing.chaos {' '.join(parts)}"

    @property
    def parts(self) -> "Sequence[Request]":
        """One request for each storm."""
        each, more = divmod(self.kills, self.slices)
        kills = [each + (number < more) for number in range(self.slices)]
        parts = enumerate(kills)
        return [replace(self, kills=kills, seed=self.seed + number, slices=1) for number, kills in parts]


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
        last = self.request.seed + self.request.slices - 1
        seeds = f"{self.request.seed}" if last == self.request.seed else f"{self.request.seed}..{last}"
        parts = [
            f"{self.request.storage} seed={seeds} commit={self.commit or '?'}",
            f"kills={kills} stops={self.faults.get('stop', 0)} terms={self.faults.get('terms', 0)}",
            *further,
            *(f"{name}={counts.get(name, 0)}" for name in _SHOWN),
            f"busy={counts.get('refused with StoreBusy', 0)}",
            *(f"{name}={counts[what]}" for name, what in _OF_SERVERS.items() if what in counts),
            f"stale_writes_rejected={refused}/{refused + counts.get('stale_writes_accepted', 0)}",
            f"integrity={self.integrity.replace(' ', '_')}",
            f"bound=3/{kills}={300 / max(1, kills):.2g}%" if not counts.get("lost") else "bound=none",
            "PASS" if self.is_good else "FAIL",
        ]
        return " ".join(parts)


def total(request: Request, outcomes: Sequence[Outcome]) -> Outcome:
    """All storms of one request as one."""
    first = outcomes[0]
    broken = [outcome.integrity for outcome in outcomes if outcome.integrity != "ok"]
    return replace(
        first,
        request=request,
        commit="+".join(dict.fromkeys(outcome.commit for outcome in outcomes)),
        seconds=_sum([outcome.seconds for outcome in outcomes]),
        faults=_sum([outcome.faults for outcome in outcomes]),
        counts=_sum([outcome.counts for outcome in outcomes]),
        integrity=broken[0] if broken else "ok",
        violations=[violation for outcome in outcomes for violation in outcome.violations],
        objections=[objection for outcome in outcomes for objection in outcome.objections],
        folder=" ".join(outcome.folder for outcome in outcomes if outcome.folder),
    )


def _sum(parts: Sequence[Mapping[str, N]]) -> Mapping[str, N]:
    names = sorted({name for part in parts for name in part})
    return {name: sum(part[name] for part in parts if name in part) for name in names}


class Report(msgspec.Struct, frozen=True):
    """What is kept of a request: all storms that were run for it so far."""

    request: Request
    line: str
    """The verdict over all of them."""
    total: Outcome
    outcomes: Sequence[Outcome]


_SHOWN = ("acknowledged", "lost", "duplicate_starts", "double_completions")
_OF_SERVERS = {
    "unreachable": "refused with StoreUnreachable",
    "unknown": "refused with EnqueueUnknown",
    "owned": "refused with StoreOwned",
    "lost_in_window": "lost in the window",
    "undone_in_window": "undone in the window",
}
"""Where there were any: calls that were refused for certain, calls whose answer was lost, calls of those whose store
another process owned; and what a store lost of what it would have kept a little later."""


def hardware() -> Mapping[str, str]:
    """What it ran on."""
    return {
        "cores": str(os.cpu_count()),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
    }
