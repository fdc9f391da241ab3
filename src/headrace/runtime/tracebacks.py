"""Tracebacks as text, of whatever was raised."""

import traceback
from collections.abc import Sequence

_MOST_ERRORS = 500


def format_traceback(error: BaseException) -> Sequence[str]:
    """As Python prints it; of the error alone where those behind it are too many."""
    if _is_vast(error):
        return [*traceback.format_tb(error.__traceback__), "(the errors in it and behind it are too many to show)\n"]
    return traceback.format_exception(error)


def _is_vast(error: BaseException) -> bool:
    """Counted as they would be written: groups that share their members are few objects and endless text."""
    left = _MOST_ERRORS
    waiting = [error]
    seen = {id(error)}
    while waiting:
        link = waiting.pop()
        left -= 1
        members = link.exceptions if isinstance(link, BaseExceptionGroup) else ()
        if left < len(members):
            return True
        waiting += members
        for behind in (link.__cause__, link.__context__):
            if behind is not None and id(behind) not in seen:
                seen.add(id(behind))
                waiting.append(behind)
    return False
