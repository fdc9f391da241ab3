"""What many power cuts came to."""

import sqlite3
from collections.abc import Sequence

import msgspec

from headrace.testing.powercut.promises import Aftermath

_SHOWN = 20


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Of all cuts together."""

    durability: str
    """That of the store: full or normal; or a planted fault."""
    seed: int
    sqlite: str
    """Its version."""
    recordings: int
    writes: int
    syncs: int
    """Of files and folders, that the recorded program waited for."""
    failed_syncs: int
    """Those of them that failed."""
    cuts: int
    uncertain: int
    """Of these, with something not synced at that moment."""
    promised: int
    """Acknowledgements looked for again, over all cuts."""
    lost: int
    cuts_with_losses: int
    ghosts: int
    holes: int
    damaged: int
    """Stores that could not be opened or contradict themselves."""
    examples: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        """Whether the store kept what it promises: at ``full`` everything, at ``normal`` all but the last. Of a
        planted fault: whether it is seen."""
        match self.durability:
            case "full":
                return not (self.lost or self.ghosts or self.holes or self.damaged)
            case "normal":
                return not (self.ghosts or self.holes or self.damaged)
            case _:
                return self.lost + self.ghosts + self.damaged > 0

    @property
    def _word(self) -> str:
        if self.durability in ("full", "normal"):
            return "holds" if self.holds else "DOES NOT HOLD"
        return "the planted fault is seen" if self.holds else "THE PLANTED FAULT IS NOT SEEN"

    def line(self) -> str:
        """In one line."""
        failing = f", {self.failed_syncs:,} of them failing" if self.failed_syncs else ""
        bound = f", with 95 % confidence fewer than {3 / self.cuts:.2%} of cuts lose any" if not self.lost else ""
        return (
            f"power cuts at durability={self.durability}, seed {self.seed}: {self.cuts:,} cuts "
            f"({self.uncertain:,} with unsynced writes) of {self.recordings} recordings, {self.writes:,} writes and "
            f"{self.syncs:,} syncs{failing}; of {self.promised:,} acknowledgements {self.lost:,} lost, in "
            f"{self.cuts_with_losses:,} cuts; {self.ghosts:,} ghosts, {self.holes:,} holes, {self.damaged:,} damaged "
            f"stores{bound}: {self._word}"
        )


def sum_up(
    aftermaths: Sequence[Aftermath],
    *,
    durability: str,
    seed: int,
    recordings: int,
    writes: int,
    syncs: int,
    failed_syncs: int,
    uncertain: int,
) -> Verdict:
    """The verdict on these."""
    wrong = [text for after in aftermaths for text in (after.damaged, *after.ghosts, *after.holes) if text]
    if durability == "full":
        wrong += [text for after in aftermaths for text in after.lost]
    whole = [after for after in aftermaths if after.damaged is None]
    return Verdict(
        durability=durability,
        seed=seed,
        sqlite=sqlite3.sqlite_version,
        recordings=recordings,
        writes=writes,
        syncs=syncs,
        failed_syncs=failed_syncs,
        cuts=len(aftermaths),
        uncertain=uncertain,
        promised=sum(after.promised for after in aftermaths),
        lost=sum(len(after.lost) for after in whole),
        cuts_with_losses=sum(bool(after.lost) for after in whole),
        ghosts=sum(len(after.ghosts) for after in whole),
        holes=sum(len(after.holes) for after in whole),
        damaged=len(aftermaths) - len(whole),
        examples=wrong[:_SHOWN],
    )
