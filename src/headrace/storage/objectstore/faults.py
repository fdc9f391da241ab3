"""What SlateDB and the bucket say, as users meet it."""

import re

import msgspec

from headrace.model.errors import CorruptStore, NotPermitted, StoreError, StoreFull, StoreUnreachable
from headrace.storage.objectstore import driver

_DENIED = re.compile(
    r"\bstatus code: 40[13]\b|\btoken request\b.*\bstatus code: 40\d\b|AccessDenied|InvalidAccessKeyId"
    r"|SignatureDoesNotMatch|Invalid Access Key|credential|service account|\bpem file",
    re.IGNORECASE | re.DOTALL,
)
_CUT_SHORT = re.compile(r"range was invalid|\bstatus code: 416\b|InvalidRange", re.IGNORECASE)
_DAMAGED = re.compile(r"RangeOutOfBounds|manifest|encoding|decod|checksum|EOF|corrupt|block|wal_replay", re.IGNORECASE)
_FULL = re.compile(r"No space left|os error 28\b")
_HINTS = (
    (re.compile("NoSuchBucket|ContainerNotFound"), "there is no such {bucket}; create it first"),
    (re.compile("builder error"), "where the endpoint is no https, set {allowing}"),
    (re.compile("error sending request|connect"), "look at {endpoint}, and at the network"),
)
_NO_KEYS = re.compile(
    r"169\.254\.169\.254|latest/api/token|metadata server|/computeMetadata/|/metadata/identity/"
    r"|Account must be specified"
)
_STATUS = re.compile(r"status code: (\d{3} [A-Za-z ]+)")
_CODE = re.compile(r"<Code>(\w{1,80})</Code>")
_LONGEST = 300


class _Words(msgspec.Struct, frozen=True):
    """How one kind of place calls what its users may have to set right."""

    key: str = "AWS_ACCESS_KEY_ID"
    endpoint: str = "the endpoint in AWS_ENDPOINT"
    allowing: str = "AWS_ALLOW_HTTP=true"
    bucket: str = "bucket"


_WORDS = {
    "az": _Words(
        "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        "the endpoint in AZURE_STORAGE_ENDPOINT",
        "AZURE_ALLOW_HTTP=true",
        "container",
    ),
    "gs": _Words("GOOGLE_SERVICE_ACCOUNT", "gcs_base_url in the file that GOOGLE_SERVICE_ACCOUNT names"),
}


def translated(error: Exception, where: str) -> StoreError:
    """The error that users meet."""
    whole = str(getattr(error, "message", error))
    text = _shortened(whole)
    if driver.is_race(error):
        return StoreUnreachable(where, "another process opens it at the same moment")
    words = _WORDS.get(where.partition(":")[0], _Words())
    hint = next((hint for pattern, hint in _HINTS if pattern.search(whole)), None)
    if hint is None and _is_damage(error, whole):
        return CorruptStore(where, text)
    if _FULL.search(whole):
        return StoreFull(where)
    if _NO_KEYS.search(whole):
        return NotPermitted(where, f"there are no keys in the environment, as {words.key}, nor elsewhere ({text})")
    if _DENIED.search(whole):
        return NotPermitted(where, f"{text}; keys come from the environment, as {words.key}")
    if hint is not None:
        text += f"; {hint.format(bucket=words.bucket, endpoint=words.endpoint, allowing=words.allowing)}"
    return StoreUnreachable(where, text)


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
