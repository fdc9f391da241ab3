"""JSON text as it is stored: one encoder for all payloads and results."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import msgspec

from headrace.model.errors import PayloadTooLarge
from headrace.model.refusal import Refused, member, told

DIGITS = 4300
"""msgspec reads no int of more characters, however far ``sys.set_int_max_str_digits`` allows to write one."""

_LONG_NEGATIVE = re.compile(rb"-\d{4300}")
"""The one that Python writes by default, its limit being without the sign; or a text with the same characters."""
_TOO_LONG = f"it has an int of more than {DIGITS:,} digits"


def is_pydantic(kind: type) -> bool:
    """Whether this is a pydantic model, told without importing pydantic."""
    return hasattr(kind, "__pydantic_core_schema__") and hasattr(kind, "model_validate_json")


def jsonable(value: object) -> object:
    """A pydantic model as JSON-native values, by pydantic itself."""
    return value.model_dump(mode="json", by_alias=True)  # type: ignore[attr-defined]


def text(record: object, limit: int) -> str:
    """The JSON of a record that passed the strict pass, or the refusal of the value that stopped the encoder."""
    try:
        encoded = _encode(record)
    except Exception as error:
        raise refusal(record, error) from None
    size = len(encoded)
    if size > limit or size > DIGITS:
        check_size(record, encoded, limit)
    return encoded.decode()


def check_size(record: object, encoded: bytes, limit: int) -> None:
    """Refuse what is over the limit, and ints so long that no worker could read them."""
    if len(encoded) > limit:
        raise PayloadTooLarge(len(encoded), limit)
    if not 0 < sys.get_int_max_str_digits() <= DIGITS or _LONG_NEGATIVE.search(encoded):
        failure = _failure(record)
        if failure is not None:
            raise refusal(record, failure)


def decoder(hint: Any, customs: bool) -> "msgspec.json.Decoder[Any]":
    """A typed decoder; ``customs`` where pydantic models stand in the type."""
    return msgspec.json.Decoder(hint, dec_hook=restore) if customs else msgspec.json.Decoder(hint)


def restore(kind: type, value: object) -> object:
    """Build what msgspec doesn't know: a pydantic model, by pydantic itself."""
    if kind is object:
        return value
    return kind.model_validate_json(_encode(value))  # type: ignore[attr-defined]


def same(first: object, second: object) -> bool:
    """Whether two records are stored alike; ``1`` and ``1.0`` are alike."""
    one, other = (msgspec.json.decode(_encode_sorted(record)) for record in (first, second))
    return bool(one == other)


def refusal(record: object, error: Exception) -> Refused:
    """Follow the failure down to the value that causes it."""
    parts: list[str] = []
    value, found = record, True
    while found:
        found = False
        for part, child in _children(value):
            failure = _failure(child)
            if failure is not None:
                parts.append(part)
                value, error, found = child, failure, True
                break
    refused = Refused(value, _reason(error))
    refused.parts = parts[::-1]
    return refused


def _base(value: object) -> object:
    """A subclass of a builtin as the builtin, whatever it overrides."""
    kind = type(value)
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, int):
        return int.__int__(value)  # type: ignore[arg-type]
    if issubclass(kind, float):
        return float.__float__(value)  # type: ignore[arg-type]
    if is_pydantic(kind):
        return jsonable(value)
    raise TypeError(f"JSON has no type for {kind.__name__}")


def _failure(value: object) -> Exception | None:
    try:
        msgspec.json.decode(_encode(value))
    except Exception as error:
        return error
    return None


def _children(value: object) -> Iterator[tuple[str, object]]:
    kind = type(value)
    if issubclass(kind, dict):
        for key, item in dict.items(cast("dict[object, object]", value)):
            yield member(key), key
            yield member(key), item
        return
    for base in (list, tuple, set, frozenset):
        if issubclass(kind, base):
            each = cast("Callable[[object], Iterable[object]]", base.__iter__)
            yield from ((f"[{index}]", item) for index, item in enumerate(each(value)))
            return
    names: Iterable[str] = getattr(kind, "__struct_fields__", getattr(kind, "__dataclass_fields__", ()))
    for name in names:
        item = getattr(value, name, None)
        if item is not msgspec.UNSET:
            yield f".{name}", item


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "it has a lone surrogate, which is no text"
    if "digits" in told(error) or "out of range" in told(error):
        return _TOO_LONG
    return told(error)


_encode = msgspec.json.Encoder(enc_hook=_base).encode
_encode_sorted = msgspec.json.Encoder(enc_hook=_base, order="deterministic").encode
