"""All faults of the machine, by name."""

from collections.abc import Mapping

from headrace.testing.chaos.machine.clock_steps import ClockSteps
from headrace.testing.chaos.machine.course import Course
from headrace.testing.chaos.machine.disk_full import DiskFull
from headrace.testing.chaos.machine.failing_disk import SyncError, WriteError
from headrace.testing.chaos.machine.file_limit import FileLimit
from headrace.testing.chaos.machine.forking import Fork
from headrace.testing.chaos.machine.read_only import ReadOnly
from headrace.testing.chaos.machine.rights import may_mount
from headrace.testing.dice import Dice

COURSES: Mapping[str, type[Course]] = {
    "clock-steps": ClockSteps,
    "disk-full": DiskFull,
    "file-limit": FileLimit,
    "fork": Fork,
    "read-only": ReadOnly,
    "sync-error": SyncError,
    "write-error": WriteError,
}
LACKING = 3
"""The exit code of a scenario that can't be played on this machine."""


def lacks(scenario: str) -> str | None:
    """What this machine has not, and the scenario needs; None where nothing is missing."""
    course = COURSES.get(scenario)
    if course is None:
        return None
    if course.mounts and not may_mount():
        return "the right to mount, as root (CAP_SYS_ADMIN) or in a user namespace of its own"
    return course({}, Dice(0)).lacks()
