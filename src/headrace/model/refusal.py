"""Why a value can't be stored, and where in the payload it stands."""

from headrace.model.errors import NotSerializable, PayloadRefused, PayloadTooDeep
from headrace.model.outline import LONGEST_TEXT, outline

MAX_DEPTH = 64
"""Containers inside each other, the argument itself being the first."""

_LONGEST_PATH = 400


class Refused(Exception):
    """Raised where the bad value stands; every container on the way out adds its part of the path."""

    def __init__(self, value: object, why: str) -> None:
        super().__init__(why)
        self.value, self.why = value, why
        self.parts: list[str] = []

    def at(self, part: str) -> None:
        """Note one step of the path, the innermost first."""
        self.parts.append(part)

    def public(self, root: str = "") -> PayloadRefused:
        """The error that the caller sees."""
        path = joined(root, self.parts)
        return NotSerializable(path, self.value, self.why)


class RefusedDepth(Refused):
    """A container deeper than MAX_DEPTH, or one that holds itself."""

    def __init__(self) -> None:
        super().__init__(None, "")

    def public(self, root: str = "") -> PayloadRefused:
        """The error that the caller sees."""
        return PayloadTooDeep(joined(root, self.parts), MAX_DEPTH)


def joined(root: str, parts: list[str]) -> str:
    """``root`` and the parts, the innermost first, as one path of bounded length."""
    path = (root + "".join(reversed(parts))).removeprefix(".") or "the value"
    return path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}…"


def member(key: object) -> str:
    """The part of a path for a member of an object: ``.name`` or ``['any text']``."""
    if type(key) is str and key.isidentifier() and len(key) <= LONGEST_TEXT:
        return f".{key}"
    return f"[{outline(key)}]"


def named(kind: type) -> str:
    """A class as messages call it."""
    return "None" if kind is type(None) else kind.__name__


def told(error: BaseException) -> str:
    """An exception as text, whatever its ``__str__`` does."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return text[:_LONGEST_PATH] or type(error).__name__
