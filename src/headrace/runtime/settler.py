"""What follows from an attempt's answer: the one place that asks the state machine for it."""

from headrace.model import lifecycle
from headrace.model.change import Change
from headrace.model.outcome import Outcome
from headrace.runtime.attempt import Attempt
from headrace.runtime.registry import policy_for
from headrace.runtime.settings import Settings
from headrace.runtime.surroundings import Surroundings


class Settler:
    """One for a worker."""

    def __init__(self, settings: Settings, around: Surroundings) -> None:
        self._settings, self._around = settings, around

    def settle(self, attempt: Attempt, outcome: Outcome) -> Change:
        """The change that records this outcome."""
        policy = policy_for(attempt.job, attempt.handler, self._around.policies, self._settings.retry)
        return lifecycle.settle(attempt.job, outcome, policy, self._around.entropy(), self._settings.crash_budget)
