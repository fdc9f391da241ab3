"""What SlateDB and the bucket say, as users meet it."""

import re

from headrace.model.errors import CorruptStore, NotPermitted, StoreError, StoreFull, StoreUnreachable
from headrace.storage.objectstore import driver

_DENIED = re.compile(r"\b40[13]\b|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|credential", re.IGNORECASE)
_CUT_SHORT = re.compile(r"range was invalid|\b416\b|InvalidRange", re.IGNORECASE)
_DAMAGED = re.compile(r"RangeOutOfBounds|manifest|encoding|decod|checksum|EOF|corrupt|block|wal_replay", re.IGNORECASE)
_FULL = re.compile(r"No space left|os error 28\b")
_HINTS = (
    (re.compile("NoSuchBucket"), "there is no such bucket; create it first"),
    (re.compile(r"error sending request|connect"), "look at the endpoint in AWS_ENDPOINT, and at the network"),
)
_NO_KEYS = re.compile(r"169\.254\.169\.254|latest/api/token|metadata server")
_STATUS = re.compile(r"status code: (\d{3} [A-Za-z ]+)")
_CODE = re.compile(r"<Code>(\w{1,80})</Code>")
_LONGEST = 300


def translated(error: Exception, where: str) -> StoreError:
    """The error that users meet."""
    whole = str(getattr(error, "message", error))
    text = _shortened(whole)
    if driver.is_race(error):
        return StoreUnreachable(where, "another process opens it at the same moment")
    hint = next((hint for pattern, hint in _HINTS if pattern.search(whole)), None)
    if hint is None and _is_damage(error, whole):
        return CorruptStore(where, text)
    if _FULL.search(whole):
        return StoreFull(where)
    if _NO_KEYS.search(whole):
        return NotPermitted(
            where, f"there are no keys in the environment, as AWS_ACCESS_KEY_ID, nor elsewhere ({text})"
        )
    if _DENIED.search(whole):
        return NotPermitted(where, f"{text}; keys come from the environment, as AWS_ACCESS_KEY_ID")
    return StoreUnreachable(where, text if hint is None else f"{text}; {hint}")


def _is_damage(error: Exception, whole: str) -> bool:
    if isinstance(error, driver.Broken):
        return _DAMAGED.search(whole) is not None
    return isinstance(error, driver.Data) or _CUT_SHORT.search(whole) is not None


def _shortened(whole: str) -> str:
    """What a server answered; else the words of SlateDB, in one line."""
    status, code = _STATUS.search(whole), _CODE.search(whole)
    if status is not None:
        return f"it answered {status[1].strip()}" + ("" if code is None else f", {code[1]}")
    text = " ".join(whole.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
