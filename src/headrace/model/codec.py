"""Payloads and results: values to stored text and back, typed, and never altered without a word."""

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache

from headrace.model import wire
from headrace.model.annotation import Annotation, Unsupported
from headrace.model.containers import NATIVE
from headrace.model.errors import InvalidArguments, PayloadRefused, PayloadTooLarge, PayloadUnreadable
from headrace.model.refusal import MAX_DEPTH, Refused, told
from headrace.model.signature import MAX_PAYLOAD, Call, CheckedSignature, Signature

__all__ = [
    "MAX_DEPTH",
    "MAX_PAYLOAD",
    "MAX_RESULT",
    "Call",
    "CheckedSignature",
    "Signature",
    "decode_bytes",
    "decode_result",
    "encode_bytes",
    "encode_result",
    "encode_untyped",
]

MAX_RESULT = 1_048_576
"""Bytes."""


def encode_untyped(arguments: Mapping[str, object], limit: int = MAX_PAYLOAD) -> str:
    """The payload of a task that this program doesn't register: JSON-native values only."""
    if not isinstance(arguments, Mapping):
        raise InvalidArguments("(by name)", f"they must be one object, not {type(arguments).__name__}")
    record = dict(arguments)
    try:
        NATIVE.check(record, 0, [limit, limit])
        return wire.text(record, limit)
    except Refused as refused:
        raise refused.public() from None


def encode_bytes(data: bytes, limit: int = MAX_PAYLOAD) -> str:
    """The user's own bytes as base64 text; the limit counts the bytes themselves."""
    if not isinstance(data, bytes):
        raise Refused(data, "it must be bytes").public("the payload")
    if len(data) > limit:
        raise PayloadTooLarge(len(data), limit)
    return base64.b64encode(data).decode()


def decode_bytes(text: str) -> bytes:
    """What ``encode_bytes`` was given."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PayloadUnreadable("(bytes)", told(error)) from None


def encode_result(value: object, annotation: object, limit: int = MAX_RESULT) -> tuple[bytes | None, str | None]:
    """The JSON of what a handler returned, or why it can't be kept. Never raises: the job is done either way."""
    if value is None:
        return None, None
    try:
        return _result(value, annotation, limit), None
    except PayloadTooLarge as error:
        return None, f"the result of {error.size:,} bytes is over the limit of {limit:,} bytes"
    except (Refused, PayloadRefused) as error:
        public = error.public("result") if isinstance(error, Refused) else error
        return None, told(public)
    except BaseException as error:
        return None, f"the result can't be stored: its class raised {type(error).__name__}"


def decode_result(text: str, annotation: object) -> object:
    """A stored result in the annotated type of its handler."""
    try:
        return _codec_of(annotation).decoder.decode(text)
    except Exception as error:
        raise PayloadUnreadable("(result)", told(error)) from None


class _Codec:
    """How values of one annotation are checked, written and read."""

    def __init__(self, annotation: object) -> None:
        compiled = Annotation(annotation)
        self.rule, self.verified = compiled.rule, compiled.verified
        self.decoder = wire.decoder(annotation, compiled.customs)

    def encode(self, value: object, limit: int) -> bytes:
        if type(value) not in self.rule.plain:
            self.rule.check(value, 1, [limit, limit])
        text = wire.text(value, limit)
        if self.verified and not wire.same(value, self.decoder.decode(text)):
            raise Refused(value, "it would come back with other contents")
        return text.encode()


_cached = lru_cache(maxsize=1024)(_Codec)


def _codec_of(annotation: object) -> _Codec:
    try:
        return _cached(annotation)
    except TypeError:  # an annotation that can't be hashed, as Annotated[int, []]
        return _Codec(annotation)


def _result(value: object, annotation: object, limit: int) -> bytes:
    try:
        codec = _codec_of(annotation)
    except Unsupported as error:
        raise Refused(value, f"the annotation of the result can't be used: {error}") from None
    return codec.encode(value, limit)
