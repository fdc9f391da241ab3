"""Users' own records: what may be kept, and that it comes back."""

from typing import Any

import pytest

from headrace import MAX_KV_VALUE_SIZE
from headrace.model.errors import InvalidKey, InvalidOption, KvValueTooLarge, NotSerializable, PayloadTooDeep
from headrace.model.kv import MOST_KV, decode_kv, kv_puts
from headrace.model.record import KV, Expect

VALUES = [0, 1.5, True, "", "é\u2028", b"", b"\x00\xff", [], {}, {"bytes": "eA=="}, {"json": 1}, [None], -(2**80)]


def kept(value: object) -> object:
    (put,) = kv_puts({"name": value})
    assert (put.kind, put.name, put.expect, put.ttl) == (KV, "name", Expect.ANY, None)
    assert put.value is not None
    return decode_kv(put.value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_as_they_were(value: object) -> None:
    back = kept(value)
    assert back == value
    assert type(back) is type(value)


def test_none_removes() -> None:
    assert [put.value for put in kv_puts({"a": None, "b": 0})] == [None, '{"json":0}']


def test_exactly_the_limit_is_allowed() -> None:
    assert MAX_KV_VALUE_SIZE == 256 * 1024
    assert kept(b"x" * MAX_KV_VALUE_SIZE) == b"x" * MAX_KV_VALUE_SIZE
    assert kept("x" * (MAX_KV_VALUE_SIZE - 2)) == "x" * (MAX_KV_VALUE_SIZE - 2)


@pytest.mark.parametrize("value", [b"x" * (MAX_KV_VALUE_SIZE + 1), "x" * (MAX_KV_VALUE_SIZE - 1), [0] * 200_000])
def test_what_is_over_the_limit_is_refused_with_its_name(value: object) -> None:
    with pytest.raises(KvValueTooLarge, match=r"big.*262,144") as refused:
        kv_puts({"fine": 1, "big": value})
    assert (refused.value.name, refused.value.limit) == ("big", MAX_KV_VALUE_SIZE)
    assert refused.value.size > MAX_KV_VALUE_SIZE


def deep() -> object:
    value: object = 1
    for _ in range(100):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "error", "path"),
    [
        (float("nan"), NotSerializable, "kv.name"),
        ({"a": [{1}]}, NotSerializable, r"kv.name.a\[0\]"),
        ({1: 2}, NotSerializable, "kv.name"),
        ((1, 2), NotSerializable, "kv.name"),
        (bytearray(b"x"), NotSerializable, "kv.name"),
        ("\ud800", NotSerializable, "kv.name"),
        (deep(), PayloadTooDeep, "kv.name"),
    ],
)
def test_what_json_would_alter_is_refused_with_its_path(value: object, error: type[Exception], path: str) -> None:
    with pytest.raises(error, match=path):
        kv_puts({"name": value})


@pytest.mark.parametrize("name", ["", "x" * 1_025, "a\nb", "\ud800", 1, b"a", None])
def test_names_are_as_dedup_keys(name: Any) -> None:
    with pytest.raises(InvalidKey, match="kv="):
        kv_puts({name: 1})


@pytest.mark.parametrize("kv", [["a"], "a", 1, {f"{n}": n for n in range(MOST_KV + 1)}])
def test_it_is_a_mapping_and_not_too_large(kv: Any) -> None:
    with pytest.raises(InvalidOption, match="kv="):
        kv_puts(kv)
