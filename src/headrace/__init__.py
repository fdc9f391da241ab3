"""Background jobs that are not lost: from a line in a script to many machines, with one API."""

from headrace.interface.app import Headrace
from headrace.interface.claims import Claim
from headrace.interface.jobs import CancelOutcome
from headrace.interface.page import Page
from headrace.interface.task import Call, Task
from headrace.model.cron import Cron, parse_cron
from headrace.model.error_chain import format_error_chain
from headrace.model.errors import HeadraceError, JobCancelled, JobDead, JobNotFound, LeaseLost, WaitTimeout
from headrace.model.job import HIGH, LOW, NORMAL, Job
from headrace.model.kv import MAX_KV_VALUE_SIZE
from headrace.model.outcome import Cancelled, PermanentFailure, Snooze, Throttled
from headrace.model.retry import RetryPolicy
from headrace.model.routing import PrefixRouter
from headrace.model.schedule import Schedule
from headrace.model.state import State
from headrace.runtime.acquiring import acquire, acquire_sync
from headrace.runtime.attempt import Current, current
from headrace.runtime.events import Event
from headrace.storage.contract import Receipt

__version__ = "0.1.0"

__all__ = [
    "HIGH",
    "LOW",
    "MAX_KV_VALUE_SIZE",
    "NORMAL",
    "Call",
    "CancelOutcome",
    "Cancelled",
    "Claim",
    "Cron",
    "Current",
    "Event",
    "Headrace",
    "HeadraceError",
    "Job",
    "JobCancelled",
    "JobDead",
    "JobNotFound",
    "LeaseLost",
    "Page",
    "PermanentFailure",
    "PrefixRouter",
    "Receipt",
    "RetryPolicy",
    "Schedule",
    "Snooze",
    "State",
    "Task",
    "Throttled",
    "WaitTimeout",
    "acquire",
    "acquire_sync",
    "current",
    "format_error_chain",
    "parse_cron",
]
