"""What an operation learns and does beside its answer: the server's clock, and what others may want to hear."""

from collections.abc import Iterable


class Latest:
    """The latest instant that any handle of this process saw; shared by siblings."""

    def __init__(self) -> None:
        self.now = 0


class Told:
    """One for each call."""

    __slots__ = ("finals", "latest", "now", "topics")

    def __init__(self, latest: int) -> None:
        self.latest = latest
        """As it was known before the call."""
        self.now = latest
        """As the server said it."""
        self.topics: set[str] = set()
        self.finals: list[str] = []
        """Ids of jobs that became final."""

    def queues(self, names: Iterable[str]) -> None:
        """There may be something to do in these."""
        self.topics.update([f"queue:{name}" for name in names])

    def all_topics(self) -> set[str]:
        """Those of final jobs included."""
        return self.topics | {f"job:{job_id}" for job_id in self.finals}
