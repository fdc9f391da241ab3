"""What follows from the end of an attempt: the one place that asks the state machine for it."""

from collections.abc import Collection

from msgspec.structs import replace

from headrace.model import lifecycle
from headrace.model.change import Change
from headrace.model.outcome import Outcome, Returned, Snoozed
from headrace.model.retry import RetryPolicy
from headrace.runtime.attempt import Attempt
from headrace.runtime.notebook import WorkerNotebook
from headrace.runtime.registry import policy_for
from headrace.runtime.settings import Settings
from headrace.runtime.surroundings import Surroundings


class Settler:
    """One for a worker."""

    def __init__(self, settings: Settings, around: Surroundings, notebook: WorkerNotebook) -> None:
        self._settings, self._around, self._notebook = settings, around, notebook

    def settle(self, attempt: Attempt, outcome: Outcome) -> Change:
        """The change that records this outcome."""
        if type(outcome) is Returned:  # the path of nearly every attempt: no policy is looked up for nothing
            change = lifecycle.complete(attempt.job, outcome)
        else:
            change = self._judge(attempt, outcome)
        return self._notebook.finish(attempt, change) if self._notebook.pages else change

    def _judge(self, attempt: Attempt, outcome: Outcome) -> Change:
        policy = policy_for(attempt.job, attempt.handler, self._around.policies, self._settings.retry)
        policy = backing_off(policy, outcome, attempt.job.queue, self._around.without_backoff)
        return lifecycle.settle(attempt.job, outcome, policy, self._around.entropy(), self._settings.crash_budget)

    def enlist(self, attempt: Attempt, outcome: Returned) -> Change:
        """The change that completes the job in a transaction of its handler's own."""
        return self._notebook.enlist(attempt, lifecycle.complete(attempt.job, outcome))

    def take_back(self, attempt: Attempt) -> None:
        """That was not committed: the notes that it took along come with whatever becomes of the attempt next."""
        if attempt.enlisted is not None and attempt.enlisted.patch.notes is not None:
            self._notebook.give_back(attempt, attempt.enlisted.patch.notes)

    def forget(self, attempt: Attempt) -> None:
        """Nothing more is recorded of it."""
        self._notebook.forget(attempt)

    def hand_back(self, attempt: Attempt) -> Change:
        """The change that gives the job up unfinished, because the worker stops."""
        return self._notebook.finish(attempt, lifecycle.hand_back(attempt.job))


def backing_off(policy: RetryPolicy, outcome: Outcome, queue: str, without: Collection[str]) -> RetryPolicy:
    """The policy that counts for this outcome: where its queue's back-off is off, throttled jobs have none."""
    return replace(policy, base=0.0) if type(outcome) is Snoozed and queue in without else policy
