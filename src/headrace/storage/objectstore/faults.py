"""What SlateDB and the bucket say, as users meet it."""

import re

from headrace.model.errors import CorruptStore, NotPermitted, StoreError, StoreFull, StoreUnreachable
from headrace.storage.objectstore import driver

_DENIED = re.compile(r"\b40[13]\b|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|credential", re.IGNORECASE)
_CUT_SHORT = re.compile(r"range was invalid|\b416\b|InvalidRange", re.IGNORECASE)
_FULL = re.compile(r"No space left|os error 28\b")
_HINTS = (
    (re.compile("NoSuchBucket"), "there is no such bucket; create it first"),
    (re.compile(r"error sending request|connect"), "look at the endpoint in AWS_ENDPOINT, and at the network"),
)
_LONGEST = 300


def translated(error: Exception, where: str) -> StoreError:
    """The error that users meet."""
    text = _text(error)
    hint = next((hint for pattern, hint in _HINTS if pattern.search(text)), None)
    if hint is None and (isinstance(error, driver.Data) or _CUT_SHORT.search(text)):
        return CorruptStore(where, text)
    if _FULL.search(text):
        return StoreFull(where)
    if _DENIED.search(text):
        return NotPermitted(where, f"{text}; keys come from the environment, as AWS_ACCESS_KEY_ID")
    return StoreUnreachable(where, text if hint is None else f"{text}; {hint}")


def _text(error: Exception) -> str:
    text = str(getattr(error, "message", error))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
