"""An exception and what led to it, in one line of bounded text: whatever it is, telling it never fails."""

from headrace.model.bounds import bounded

LONGEST_MESSAGE = 8 * 1024
"""Bytes."""
_LONGEST_CHAIN = 20
_MOST_MEMBERS = 10

_CAUSE, _CONTEXT, _SUPPRESSED = (
    vars(BaseException)[name].__get__ for name in ("__cause__", "__context__", "__suppress_context__")
)
_NAME = vars(type)["__name__"].__get__
_MEMBERS = vars(BaseExceptionGroup)["exceptions"].__get__
"""By the slots of the base: a class may hide them behind code of its own."""


def format_error_chain(error: BaseException) -> str:
    """``top: middle: root``: the message of an exception and those of what it was raised from, or while handling
    what. Those of a group stand in brackets behind its own. Never raises, and never over 8 KiB."""
    return bounded(_chain(error, set()), LONGEST_MESSAGE)


def _chain(error: BaseException, seen: set[int]) -> str:
    messages: list[str] = []
    link: BaseException | None = error
    while link is not None and id(link) not in seen and len(seen) < _LONGEST_CHAIN:
        seen.add(id(link))
        messages.append(_message(link) + _members(link, seen))
        link = _before(link)
    return ": ".join(messages)


def _members(error: BaseException, seen: set[int]) -> str:
    """The exceptions of a group, each with its own chain."""
    if not issubclass(type(error), BaseExceptionGroup):  # its ``__class__`` may be code
        return ""
    chains = [_chain(member, seen) for member in _MEMBERS(error)[:_MOST_MEMBERS]]
    return f" [{'; '.join(chain for chain in chains if chain)}]"


def _before(error: BaseException) -> BaseException | None:
    """What it was raised from, or while handling what."""
    cause: BaseException | None = _CAUSE(error)
    if cause is not None or _SUPPRESSED(error):
        return cause
    context: BaseException | None = _CONTEXT(error)
    return context


def _message(error: BaseException) -> str:
    try:
        text = str(error)[: LONGEST_MESSAGE + 1]
    except BaseException:
        return f"<{class_name(error)} whose text failed>"
    return text or class_name(error)


def class_name(error: BaseException) -> str:
    """Without running any code of its class."""
    return str(_NAME(type(error)))
