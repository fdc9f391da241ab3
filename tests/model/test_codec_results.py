"""Results, untyped arguments and bytes."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.codec import (
    MAX_RESULT,
    decode_bytes,
    decode_result,
    encode_bytes,
    encode_result,
    encode_untyped,
)
from headrace.model.errors import (
    InvalidArguments,
    NotSerializable,
    PayloadTooDeep,
    PayloadTooLarge,
    PayloadUnreadable,
)


@dataclasses.dataclass
class Report:
    lines: list[str]


def test_none_is_no_result() -> None:
    assert encode_result(None, None) == (None, None)
    assert encode_result(None, int) == (None, None)


def test_a_result_is_kept_in_the_type_of_its_annotation() -> None:
    encoded, reason = encode_result(Report(["a"]), Report)
    assert (encoded, reason) == (b'{"lines":["a"]}', None)
    assert decode_result('{"lines":["a"]}', Report) == Report(["a"])
    assert decode_result('{"lines":["a"]}', Any) == {"lines": ["a"]}


def test_an_annotation_that_cannot_be_hashed_works_too() -> None:
    assert encode_result([1], Annotated[list[int], []]) == (b"[1]", None)


class Raising:
    def _raise(self, *_: object) -> Any:
        raise SystemExit("called")

    __iter__ = __str__ = __repr__ = __len__ = __eq__ = __hash__ = __getattr__ = _raise


class RaisingLate(msgspec.Struct):
    size: int

    def __post_init__(self) -> None:
        if self.size == 2:
            self.size = 3
        elif self.size == 3:
            raise SystemExit("decoding")


LOST: list[tuple[object, object, str]] = [
    (object(), Any, "result = <object object>"),
    (Raising(), Any, "Raising"),
    (Raising(), str, "says str, this is Raising"),
    ([Raising()], list[Any], "result[0]"),
    (Raising(), Raising, "annotation of the result"),
    (Path("/"), Path, "annotation of the result can't be used"),
    ({1: 2}, Any, "result[1]"),
    ({"a": {1}}, Any, "result.a"),
    (Report([1]), Report, "result.lines[0]"),  # type: ignore[list-item]
    ("\ud800", str, "result = '\\ud800' can't be stored unchanged: it has a lone surrogate"),
    (10**5000, int, "4,300 digits"),
    (1, str, "says str, this is int"),
    (1, None, "says None, this is int"),
    (RaisingLate(2), RaisingLate, "SystemExit"),
    ("x" * MAX_RESULT, str, "1,048,578 bytes is over the limit of 1,048,576 bytes"),
    ([0] * MAX_RESULT, list[int], "over the limit"),
    ((item for item in [1]), Any, "generator"),
]


# Ids of our own: pytest would look into the values to make some.
@pytest.mark.parametrize(("value", "annotation", "part"), LOST, ids=[f"{row[1]} {row[2]}" for row in LOST])
def test_what_cannot_be_kept_is_a_reason_and_never_raises(value: object, annotation: object, part: str) -> None:
    encoded, reason = encode_result(value, annotation)
    assert encoded is None
    assert reason is not None
    assert part in reason
    assert len(reason) < 1000


def test_a_result_too_deep_is_a_reason() -> None:
    endless: list[object] = []
    endless.append(endless)
    encoded, reason = encode_result(endless, Any)
    assert encoded is None
    assert reason is not None
    assert "deeper than 64 levels" in reason


def test_a_result_at_its_limit_is_kept() -> None:
    assert encode_result("abc", str, limit=5) == (b'"abc"', None)
    assert encode_result("abcd", str, limit=5)[0] is None


@pytest.mark.parametrize(("text", "annotation"), [("1", str), ("{", Any), ("", Any), ("1", Path)])
def test_a_result_that_does_not_decode_is_unreadable(text: str, annotation: object) -> None:
    with pytest.raises(PayloadUnreadable):
        decode_result(text, annotation)


@pytest.mark.parametrize("arguments", [["a"], "a", b"a", None, 1])
def test_untyped_arguments_are_one_object(arguments: Any) -> None:
    with pytest.raises(InvalidArguments, match="one object"):
        encode_untyped(arguments)


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"a": {"b": [1, {2}]}}, "a.b[1]"),
        ({1: 2}, "[1]"),
        ({"a": (1,)}, "a"),
        ({"a": float("nan")}, "a"),
        ({"\ud800": 1}, "['\\ud800']"),
        ({"a": ["\ud800"]}, "a[0]"),
    ],
)
def test_untyped_arguments_are_json_native(arguments: Any, path: str) -> None:
    with pytest.raises(NotSerializable) as caught:
        encode_untyped(arguments)
    assert caught.value.path == path


def test_untyped_arguments_have_the_limits_of_all() -> None:
    assert encode_untyped({"a": 1}, limit=7) == '{"a":1}'
    with pytest.raises(PayloadTooLarge):
        encode_untyped({"a": 1}, limit=6)
    endless: dict[str, object] = {}
    endless["a"] = endless
    with pytest.raises(PayloadTooDeep):
        encode_untyped(endless)


@given(st.binary())
def test_bytes_round_trip(data: bytes) -> None:
    text = encode_bytes(data)
    assert text.isascii()
    assert decode_bytes(text) == data


def test_bytes_have_their_limit() -> None:
    assert decode_bytes(encode_bytes(b"abc", limit=3)) == b"abc"
    with pytest.raises(PayloadTooLarge) as caught:
        encode_bytes(b"abcd", limit=3)
    assert (caught.value.size, caught.value.limit) == (4, 3)


@pytest.mark.parametrize("make", [lambda: "text", lambda: bytearray(b"x"), lambda: [1], lambda: Raising()])
def test_bytes_are_bytes(make: Callable[[], Any]) -> None:
    with pytest.raises(NotSerializable, match="bytes"):
        encode_bytes(make())


@pytest.mark.parametrize("text", ["a", "é", "a\n==", "****"])
def test_what_is_no_base64_is_unreadable(text: str) -> None:
    with pytest.raises(PayloadUnreadable):
        decode_bytes(text)
