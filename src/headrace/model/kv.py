"""Users' own small records, written beside jobs: values to stored text and back."""

from collections.abc import Mapping

import msgspec

from headrace.model import wire
from headrace.model.codec import decode_bytes, encode_bytes
from headrace.model.containers import NATIVE
from headrace.model.errors import InvalidOption, KvValueTooLarge, PayloadTooLarge
from headrace.model.names import check_key
from headrace.model.record import KV, Put
from headrace.model.refusal import Refused, member

MAX_KV_VALUE_SIZE = 262_144
"""Bytes: of a value's JSON, or of a ``bytes`` value itself."""
MOST_KV = 100
"""Records that one enqueue or one completion may write."""


def kv_puts(kv: Mapping[str, object]) -> tuple[Put, ...]:
    """What writes these records: JSON values or bytes; None removes one. Or the first error among them."""
    if not isinstance(kv, Mapping) or len(kv) > MOST_KV:
        raise InvalidOption("kv", kv, f"it must be a mapping of at most {MOST_KV} names to values")
    return tuple(Put(KV, check_key(name, "kv"), _encode(name, value)) for name, value in kv.items())


def _encode(name: str, value: object) -> str | None:
    """Bytes and JSON are told apart by what wraps them."""
    if value is None:
        return None
    limit = MAX_KV_VALUE_SIZE
    try:
        if isinstance(value, bytes):
            return f'{{"bytes":"{encode_bytes(value, limit)}"}}'
        if type(value) not in NATIVE.plain:
            NATIVE.check(value, 1, [limit, limit])
        return f'{{"json":{wire.text(value, limit)}}}'
    except PayloadTooLarge as error:
        raise KvValueTooLarge(name, error.size, limit) from None
    except Refused as refused:
        raise refused.public(f"kv{member(name)}") from None


def decode_kv(text: str) -> object:
    """What ``kv_puts`` was given."""
    kept = msgspec.json.decode(text, type=dict[str, object])
    return kept["json"] if "json" in kept else decode_bytes(str(kept["bytes"]))
