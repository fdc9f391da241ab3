"""What a process of a run is told: who it is, and where everything lies."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec
from msgspec.structs import replace

from headrace.testing.chaos.ledger import LONGEST, SUFFIX, Ledger

VARIABLE = "HEADRACE_CHAOS"
"""Holds the station of a process that was started afresh; every such process of a run is known by it."""


class Station(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a run."""

    url: str
    detour: str = ""
    """Another way to the same store, which every second process takes; nothing where there is none."""
    folder: str
    """Of the run: its ledgers, and what its processes printed."""
    role: str
    number: int
    """Of its start, from 1: no two starts have the same."""
    part: str = ""
    """Of a process that does the work of several roles: which of them."""
    seed: int
    pid: int | None = None
    """Of a process that a supervisor started: several have the number of the supervisor."""
    offset: int
    """How far the wall clock is ahead of the boot clock, in milliseconds: see ``Ledger``."""
    heir_of: str = ""
    """Whose work it takes over: the name of a process that was killed."""
    options: Mapping[str, str] = {}
    """What the app is made with: durations as text. See ``workload.OPTIONS``."""
    workload: Mapping[str, str] = {}
    """What a scenario wants of the workload: kinds of jobs and their share."""

    @property
    def name(self) -> str:
        """Who it is in ledgers."""
        whole = f"{self.role}-{self.number:05}" + ("" if self.pid is None else f"-{self.pid}")
        return f"{whole}.{self.part}" if self.part else whole

    def of(self, part: str) -> "Station":
        """The station of a part of this process, and of the same part of whose work it takes over."""
        heir_of = f"{self.heir_of}.{part}" if self.heir_of else ""
        return replace(self, part=part, heir_of=heir_of)

    @property
    def ledgers(self) -> Path:
        """Where all ledgers of the run lie."""
        return Path(self.folder) / "ledgers"

    def open_ledger(self, longest: int = LONGEST) -> Ledger:
        """This process's own."""
        return Ledger(self.ledgers / (self.name + SUFFIX), self.name, self.offset, longest)

    def environment(self) -> Mapping[str, str]:
        """For a process that is started afresh."""
        return {VARIABLE: msgspec.json.encode(self).decode(), "HEADRACE_URL": self.url}

    @classmethod
    def from_environment(cls) -> Self:
        """As it was told to this process."""
        return msgspec.json.decode(os.environ[VARIABLE], type=cls)
