"""The only file that writes log lines."""

import logging

from headrace.model.errors import LeaseLost

logger = logging.getLogger("headrace")


def report(who: str, error: BaseException) -> None:
    """An error that a loop, a worker or a listener survived."""
    if isinstance(error, LeaseLost):
        logger.warning("%s: %s", who, error)
    else:
        logger.error("%s: %s: %s", who, type(error).__name__, error)
