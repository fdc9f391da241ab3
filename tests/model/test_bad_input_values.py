"""Rows 1 to 12 and 14 of the bad-input table, as far as the model goes.

The rest of each row is tested where it lives.
"""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from headrace.model.codec import (
    MAX_PAYLOAD,
    Signature,
    decode_result,
    encode_bytes,
    encode_result,
    encode_untyped,
)
from headrace.model.duration import instant, seconds
from headrace.model.errors import (
    HeadraceError,
    InvalidDelay,
    InvalidKey,
    InvalidName,
    InvalidOption,
    NotSerializable,
    PayloadTooDeep,
    PayloadTooLarge,
    PayloadUnreadable,
)
from headrace.model.names import check_key, check_name
from headrace.model.outcome import Failure
from headrace.model.retry import RetryPolicy, check_max_attempts


def handle(value: Any) -> None: ...
def handle_text(value: str) -> None: ...


def stored(value: object) -> list[Callable[[], object]]:
    """Every way by which a value comes in."""
    return [
        lambda: Signature(handle, "test").encode((value,), {}),
        lambda: Signature(handle, "test").encode((), {"value": value}),
        lambda: Signature(handle, "test").encode_named({"value": value}),
        lambda: encode_untyped({"value": value}),
    ]


NAMES = ["", "x" * 256, "a\tb", "a\0b", "a\n", "../etc", "a/../b", "100%", "a'b", 'a"b', "\u202eabc", "a\u200bb", "é"]


@pytest.mark.parametrize("kind", ["task", "queue", "limit", "schedule"])
@pytest.mark.parametrize("name", [*NAMES, "a b", "\ud800", None, 5, b"a"], ids=ascii)
def test_row_1_bad_names(kind: str, name: object) -> None:
    with pytest.raises(InvalidName) as caught:
        check_name(kind, name)
    assert str(caught.value).startswith(f"{kind} name ")


def test_row_2_too_large() -> None:
    text = "x" * MAX_PAYLOAD
    for store in [*stored(text), lambda: encode_bytes(text.encode() + b"x")]:
        with pytest.raises(PayloadTooLarge, match="over the limit of 1,048,576 bytes; store the data elsewhere"):
            store()
    assert encode_result(text, str)[0] is None
    assert encode_bytes(text.encode())


def test_row_3_too_deep() -> None:
    for levels in (65, 100_000):
        value: object = 1
        for _ in range(levels):
            value = [value]
        for store in stored(value):
            with pytest.raises(PayloadTooDeep, match="deeper than 64 levels"):
                store()
        assert encode_result(value, Any)[0] is None
    with pytest.raises(PayloadUnreadable):
        Signature(handle, "test").decode('{"value":' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(PayloadUnreadable):
        decode_result("[" * 100_000 + "]" * 100_000, Any)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_row_4_non_finite_floats(number: float) -> None:
    for store in stored({"deep": [number]}):
        with pytest.raises(NotSerializable) as caught:
            store()
        assert caught.value.path == "value.deep[0]"
    assert encode_result(number, float)[0] is None


def test_row_5_lone_surrogates() -> None:
    for store in stored(["\ud800"]):
        with pytest.raises(NotSerializable) as caught:
            store()
        assert caught.value.path == "value[0]"
        assert str(caught.value).isprintable()
        assert str(caught.value).encode()
    assert encode_result("\ud800", str)[0] is None


def test_row_6_nul_round_trips() -> None:
    text = "a\0b\x1f\x7f\u2028"
    for store in stored({text: text}):
        payload = store()
        assert isinstance(payload, str)
        assert Signature(handle, "test").decode(payload).args == ({text: text},)
    encoded, _ = encode_result(text, str)
    assert encoded is not None
    assert decode_result(encoded.decode(), str) == text
    failure = Failure("ValueError", text)
    stored_failure, _ = encode_result(failure, Failure)
    assert stored_failure is not None
    assert decode_result(stored_failure.decode(), Failure) == failure


def test_row_7_huge_ints() -> None:
    for number in (2**53 + 1, 2**64, -(2**70), 10**4299):
        for store in stored(number):
            payload = store()
            assert isinstance(payload, str)
            assert Signature(handle, "test").decode(payload).args == (number,)
    for store in stored(10**4300):
        with pytest.raises(NotSerializable, match="4,300 digits"):
            store()


@pytest.mark.parametrize(
    "value",
    [
        b"x",
        datetime(2026, 1, 1, tzinfo=UTC),
        date(2026, 1, 1),
        Decimal(1),
        {1},
        frozenset(),
        (1,),
        {1: 1},
        1j,
        Failure("a", "b"),
    ],
    ids=repr,
)
def test_row_8_types_that_no_annotation_names(value: object) -> None:
    for store in stored(value):
        with pytest.raises(NotSerializable) as caught:
            store()
        assert caught.value.path.startswith("value")
    with pytest.raises(NotSerializable):
        Signature(handle_text, "test").encode((value,), {})
    assert encode_result(value, Any)[0] is None


class Hostile:
    def _raise(self, *_: object) -> Any:
        raise RuntimeError("no")

    __iter__ = __str__ = __repr__ = __len__ = __bool__ = __eq__ = __hash__ = __getattr__ = _raise


class Looping:
    def __iter__(self) -> "Looping":
        return self

    def __next__(self) -> int:
        return 1

    def __repr__(self) -> str:
        while True:
            pass


@pytest.mark.parametrize("make", [Hostile, Looping])
def test_row_9_objects_that_raise_or_loop(make: Callable[[], object]) -> None:
    for value in (make(), [make()], {"a": make()}):
        for store in stored(value):
            with pytest.raises(NotSerializable, match=rf"<{make.__name__} object>"):
                store()
        encoded, reason = encode_result(value, Any)
        assert encoded is None
        assert reason


def test_row_10_text_that_was_no_utf8() -> None:
    text = b"caf\xe9".decode("utf-8", "surrogateescape")
    for store in stored(text):
        with pytest.raises(NotSerializable, match="lone surrogate"):
            store()
    with pytest.raises(InvalidName):
        check_name("queue", text)
    with pytest.raises(InvalidKey):
        check_key(text)
    with pytest.raises(PayloadUnreadable):
        Signature(handle, "test").decode(f'{{"value":"{text}"}}')


@pytest.mark.parametrize("delay", [-1, -0.001, math.nan, math.inf, True, timedelta(days=3660), "-1s", "11y", None])
def test_row_11_bad_delays(delay: Any) -> None:
    with pytest.raises(InvalidDelay):
        seconds(delay, "delay")
    assert seconds(0, "delay") == 0


def test_row_11_bad_instants() -> None:
    now = 1_800_000_000_000
    late = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12)))
    for moment in (datetime(2026, 1, 1), late, datetime(9999, 1, 1, tzinfo=UTC)):  # noqa: DTZ001
        with pytest.raises(InvalidDelay):
            instant(moment, "at", now)
    repeated = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"))
    assert instant(repeated.replace(fold=1), "at", now) == instant(repeated, "at", now) + 3_600_000


@pytest.mark.parametrize(
    "count", [0, -1, 1_000_001, True, 1.0, "3", None, math.nan, 10**5000], ids=lambda row: f"{type(row).__name__}"
)
def test_row_12_bad_max_attempts(count: Any) -> None:
    with pytest.raises(InvalidOption, match="max_attempts="):
        check_max_attempts(count)
    for make in (RetryPolicy.fixed, RetryPolicy.linear, RetryPolicy.exponential):
        with pytest.raises(InvalidOption, match="max_attempts="):
            make(count)


@pytest.mark.parametrize("jitter", [-0.1, 1.1, math.nan, True, "0.1", None])
def test_row_12_bad_jitter(jitter: Any) -> None:
    with pytest.raises(InvalidOption, match="jitter="):
        RetryPolicy.exponential(jitter=jitter)


@pytest.mark.parametrize(
    "key", ["", "x" * 1025, "é" * 513, "a\0b", "a\nb", "\x85", "\ud800", b"key", 1, None], ids=ascii
)
def test_row_14_bad_dedup_keys(key: object) -> None:
    with pytest.raises(InvalidKey) as caught:
        check_key(key)
    assert isinstance(caught.value, HeadraceError)
    assert len(str(caught.value)) < 300
