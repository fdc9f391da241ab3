"""The names people give: tasks, queues, limits, schedules, keys. Checked once, at the caller."""

import re
import unicodedata

from headrace.model.errors import InvalidKey, InvalidName

LONGEST_NAME = 255
LONGEST_KEY = 1024

_PLAIN = re.compile(r"[A-Za-z0-9_.\-]{1,255}", re.ASCII)
_PATHLIKE = re.compile(r"[A-Za-z0-9_.\-:/]{1,255}", re.ASCII)
_RULES = {
    "queue": (_PLAIN, "letters, digits, _ . -"),
    "limit": (_PLAIN, "letters, digits, _ . -"),
    "task": (_PATHLIKE, "letters, digits, _ . - : /"),
    "schedule": (_PATHLIKE, "letters, digits, _ . - : /"),
}


def check_name(kind: str, value: object) -> str:
    """``value`` itself, or InvalidName. ``kind`` is queue, limit, task or schedule."""
    pattern, allowed = _RULES[kind]
    if not isinstance(value, str):
        raise InvalidName(kind, value, f"must be text, not {type(value).__name__}")
    if not pattern.fullmatch(value) or "../" in value:
        raise InvalidName(kind, value, f"must be 1 to {LONGEST_NAME} of: {allowed}")
    return value


def check_key(value: object, option: str = "key") -> str:
    """A dedup key, or the name of a user's record: 1 to 1,024 bytes of text without control characters, or
    InvalidKey."""
    if not isinstance(value, str):
        raise InvalidKey(option, value, f"it must be text, not {type(value).__name__}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidKey(option, value, "it has a lone surrogate, which is no text") from None
    if not 1 <= size <= LONGEST_KEY:
        raise InvalidKey(option, value, f"it has {size} bytes; 1 to {LONGEST_KEY} are allowed")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise InvalidKey(option, value, "it has a control character")
    return value
