"""Binding arguments to a handler's parameters, and the handlers that are refused."""

import dataclasses
import functools
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.codec import Call, Signature
from headrace.model.errors import (
    InvalidArguments,
    InvalidOption,
    NotSerializable,
    PayloadRefused,
    PayloadTooLarge,
    PayloadUnreadable,
)


class Extras(TypedDict, total=False):
    colour: str
    size: int


@dataclasses.dataclass
class Address:
    street: str


def plain(to: str, subject: str) -> None: ...
def defaults(a: int, b: int = 2, c: int = 3) -> None: ...
def keywords(a: int, *, b: int, c: int = 3) -> None: ...
def positional(a: int, b: int = 2, /, c: int = 3) -> None: ...
def rest(a: int, *others: float, b: str = "x", **more: list[int]) -> None: ...
def unpacked(*parts: Unpack[tuple[int, str]], **more: Unpack[Extras]) -> None: ...  # noqa: UP044
def starred(*parts: *tuple[int, str]) -> None: ...
def nothing() -> None: ...
def unannotated(a, b=None, *c, **d): ...
def quoted(a: "int", b: "datetime | None" = None) -> "str": ...
def odd(self: int, cls: int, _under: int, _: int, été: int, json: int, args: int, kwargs: int) -> None: ...


CALLS: list[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any], str]] = [
    (plain, ("a", "b"), {}, '{"to":"a","subject":"b"}'),
    (plain, ("a",), {"subject": "b"}, '{"to":"a","subject":"b"}'),
    (plain, (), {"subject": "b", "to": "a"}, '{"to":"a","subject":"b"}'),
    (defaults, (1,), {}, '{"a":1}'),
    (defaults, (1, 2), {}, '{"a":1,"b":2}'),
    (defaults, (1,), {"c": 9}, '{"a":1,"c":9}'),
    (keywords, (1,), {"b": 2}, '{"a":1,"b":2}'),
    (keywords, (), {"a": 1, "b": 2, "c": 4}, '{"a":1,"b":2,"c":4}'),
    (positional, (1,), {}, '{"a":1}'),
    (positional, (1,), {"c": 4}, '{"a":1,"c":4}'),
    (positional, (1, 2, 3), {}, '{"a":1,"b":2,"c":3}'),
    (rest, (1,), {}, '{"a":1}'),
    (rest, (1, 0.5, 2.5), {"b": "y", "z": [1]}, '{"a":1,"others":[0.5,2.5],"more":{"z":[1]},"b":"y"}'),
    (unpacked, (1, "x"), {"size": 2}, '{"parts":[1,"x"],"more":{"size":2}}'),
    (starred, (1, "x"), {}, '{"parts":[1,"x"]}'),
    (nothing, (), {}, "{}"),
    (unannotated, (1, [2], "x"), {"y": {"z": None}}, '{"a":1,"b":[2],"c":["x"],"d":{"y":{"z":null}}}'),
    (quoted, (1,), {"b": None}, '{"a":1,"b":null}'),
    (odd, tuple(range(8)), {}, '{"self":0,"cls":1,"_under":2,"_":3,"été":4,"json":5,"args":6,"kwargs":7}'),
]


def arguments_of(function: Callable[..., object], call: Call) -> dict[str, object]:
    import inspect

    return inspect.signature(function).bind(*call.args, **call.kwargs).arguments


@pytest.mark.parametrize(("function", "args", "kwargs", "text"), CALLS)
def test_arguments_are_stored_by_name_and_come_back(
    function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any], text: str
) -> None:
    signature = Signature(function, "test")
    assert signature.encode(args, kwargs) == text
    call = signature.decode(text)
    assert arguments_of(function, call) == arguments_of(function, Call(args, kwargs))
    assert signature.encode(call.args, call.kwargs) == text
    assert signature.encode_named(msgspec.json.decode(text)) == text


MISFITS: list[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any], str]] = [
    (plain, ("a",), {}, "missing a required argument: 'subject'"),
    (plain, ("a", "b", "c"), {}, "too many positional arguments"),
    (plain, ("a", "b"), {"bcc": "c"}, "unexpected keyword argument 'bcc'"),
    (plain, ("a", "b"), {"to": "c"}, "multiple values for argument 'to'"),
    (keywords, (1, 2), {}, "too many positional arguments"),
    (keywords, (1,), {}, "'b'"),
    (positional, (), {"a": 1}, "'a'"),
    (rest, (), {}, "missing a required argument: 'a'"),
    (nothing, (1,), {}, "too many positional arguments"),
]


@pytest.mark.parametrize(("function", "args", "kwargs", "part"), MISFITS)
def test_arguments_that_do_not_fit_are_refused_with_the_reason(
    function: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any], part: str
) -> None:
    with pytest.raises(InvalidArguments) as caught:
        Signature(function, "mail").encode(args, kwargs)
    assert part in str(caught.value)
    assert "'mail'" in str(caught.value)


def test_paths_name_the_parameter_whatever_its_kind() -> None:
    signature = Signature(rest, "test")
    for args, kwargs, path in [
        (("x",), {}, "a"),
        ((1, 0.5, "x"), {}, "others[1]"),
        ((1,), {"b": 2}, "b"),
        ((1,), {"z": ["x"]}, "more.z[0]"),
    ]:
        with pytest.raises(NotSerializable) as caught:
            signature.encode(args, kwargs)  # type: ignore[arg-type]
        assert caught.value.path == path


def test_a_default_that_is_not_passed_is_not_stored_so_that_a_deploy_may_change_it() -> None:
    def before(a: int, b: int = 1) -> None: ...
    def after(a: int, b: int = 2, c: str = "new") -> None: ...

    call = Signature(after, "test").decode(Signature(before, "test").encode((7,), {}))
    assert (call.args, call.kwargs) == ((7,), {})


@pytest.mark.parametrize(
    ("payload", "part"),
    [
        ('{"to":"a"}', "missing required field `subject`"),
        ('{"to":"a","subject":1}', "Expected `str`, got `int`"),
        ('{"to":"a","subject":"b","bcc":"c"}', "unknown field `bcc`"),
        ("[]", "Expected `object`"),
        ("{", "truncated"),
        ("", "truncated"),
        ('{"to":"\ud800","subject":"b"}', "surrogates"),
        ("[" * 100_000, ""),
    ],
)
def test_a_payload_that_does_not_fit_is_unreadable(payload: str, part: str) -> None:
    with pytest.raises(PayloadUnreadable) as caught:
        Signature(plain, "mail").decode(payload)
    assert "'mail'" in str(caught.value)
    assert part in str(caught.value)


def test_a_class_that_raises_while_decoding_makes_the_payload_unreadable() -> None:
    class Fussy(msgspec.Struct):
        size: int

        def __post_init__(self) -> None:
            if self.size > 1:
                raise KeyError("too big")

    def handler(fussy): ...

    handler.__annotations__["fussy"] = Fussy
    with pytest.raises(PayloadUnreadable, match="too big"):
        Signature(handler, "test").decode('{"fussy":{"size":2}}')


NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


# --- by name ---------------------------------------------------------------------------------------------------------


def by_name(when: datetime, address: Address, kind: Literal["a", "b"] = "a", tags: tuple[str, ...] = ()) -> None: ...


@pytest.mark.parametrize(
    "arguments",
    [
        {"when": NEW_YEAR, "address": Address("x"), "tags": ("y",)},
        {"when": "2026-01-01T00:00:00Z", "address": {"street": "x"}, "tags": ["y"]},
        {"when": "2026-01-01T00:00:00Z", "address": Address("x"), "tags": ["y"]},
    ],
)
def test_by_name_takes_values_and_the_json_of_values(arguments: dict[str, object]) -> None:
    signature = Signature(by_name, "test")
    text = signature.encode_named(arguments)
    assert text == '{"when":"2026-01-01T00:00:00Z","address":{"street":"x"},"tags":["y"]}'
    assert signature.decode(text).args == (NEW_YEAR, Address("x"))
    assert signature.decode(text).kwargs == {"tags": ("y",)}


@pytest.mark.parametrize(
    ("changed", "path", "part"),
    [
        ({"when": "tomorrow"}, "when", "RFC3339"),
        ({"address": {"street": 1}}, "address.street", "Expected `str`, got `int`"),
        ({"address": {}}, "address", "missing required field `street`"),
        ({"kind": "c"}, "kind", "'c'"),
        ({"tags": {"y"}}, "tags", "says tuple, this is set"),
        ({"tags": ["y", 1]}, "tags[1]", "Expected `str`"),
        ({"when": None}, "when", "Expected `datetime`"),
    ],
)
def test_by_name_checks_the_same(changed: dict[str, object], path: str, part: str) -> None:
    arguments = {"when": "2026-01-01T00:00:00Z", "address": {"street": "x"}, **changed}
    with pytest.raises(NotSerializable) as caught:
        Signature(by_name, "test").encode_named(arguments)
    assert caught.value.path == path
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"to": "a"}, "subject"),
        ({"to": "a", "subject": "b", "bcc": "c"}, "unexpected argument 'bcc'"),
        ({"to": "a", "subject": "b", 1: "c"}, "unexpected argument 1"),
        (["to"], "one object, not list"),
        ("to", "one object, not str"),
        (None, "one object, not NoneType"),
    ],
)
def test_by_name_refuses_other_names(arguments: Any, part: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        Signature(plain, "mail").encode_named(arguments)
    assert part in str(caught.value)


def test_by_name_counts_a_value_once() -> None:
    def handler(pairs: list[tuple[int, int]]) -> None: ...

    text = Signature(handler, "test").encode_named({"pairs": [[1, 2]] * 100}, limit=620)
    assert len(text) == 611


def test_by_name_has_the_same_limit() -> None:
    with pytest.raises(PayloadTooLarge):
        Signature(plain, "mail").encode_named({"to": "a", "subject": "b"}, limit=10)


@given(st.dictionaries(st.sampled_from(["when", "address", "kind", "tags"]), st.recursive(st.text(), st.lists)))
def test_by_name_stores_only_what_decodes(arguments: dict[str, object]) -> None:
    signature = Signature(by_name, "test")
    try:
        text = signature.encode_named(arguments)
    except (PayloadRefused, InvalidArguments):
        return
    assert signature.decode(text)


# --- handlers --------------------------------------------------------------------------------------------------------


def takes_path(path: Path) -> None: ...
def takes_iterable(path: list[Iterable[int]]) -> None: ...
def takes_two_texts(path: str | datetime) -> None: ...
def takes_odd_keys(path: dict[tuple[int, int], str]) -> None: ...
def takes_union_keys(path: dict[int | str, str]) -> None: ...
def takes_raw(path: msgspec.Raw) -> None: ...
def takes_missing(path: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def takes_missing_deep(*path: "list[Nowhere]") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def takes_broken(path: "list[") -> None: ...  # type: ignore[syntax]  # noqa: F722


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        (takes_path, ["Path", "no form"]),
        (takes_iterable, ["Iterable"]),
        (takes_two_texts, ["datetime", "more than one str-like type"]),
        (takes_odd_keys, ["keys of a dict"]),
        (takes_union_keys, ["keys of a dict"]),
        (takes_raw, ["Raw"]),
        (takes_missing, ["'Nowhere' is not defined", "TYPE_CHECKING"]),
        (takes_missing_deep, ["'Nowhere' is not defined"]),
        (takes_broken, ["can't be resolved"]),
    ],
)
def test_an_annotation_that_cannot_be_carried_is_refused_at_registration(
    function: Callable[..., object], parts: list[str]
) -> None:
    with pytest.raises(InvalidOption) as caught:
        Signature(function, "mail")
    for part in ["'path'", "'mail'", *parts]:
        assert part in str(caught.value)


def test_a_parameter_name_that_no_record_can_have_is_refused_at_registration() -> None:
    def handler(__a: int) -> None: ...  # noqa: PYI063

    with pytest.raises(InvalidOption, match="__a"):
        Signature(handler, "mail")


def test_what_has_no_signature_is_refused_at_registration() -> None:
    with pytest.raises(InvalidOption, match="no signature"):
        Signature(type("Odd", (), {"__call__": 1, "__signature__": 2})(), "mail")


class Methods:
    def method(self, a: "int") -> None: ...

    def __call__(self, a: "int") -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        Methods().method,
        Methods(),
        functools.partial(defaults, b=5),
        functools.wraps(defaults)(lambda *args, **kwargs: None),
    ],
)
def test_methods_callables_partials_and_wrappers(function: Callable[..., object]) -> None:
    signature = Signature(function, "test")
    assert signature.encode((1,), {}) == '{"a":1}'
    with pytest.raises(NotSerializable):
        signature.encode(("x",), {})


async def answers(a: int) -> list[int]: ...
def answers_later(a: int) -> Awaitable[str]: ...
def answers_unknown(a: int) -> "Nowhere": ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (answers, list[int]),
        (answers_later, str),
        (answers_unknown, Any),
        (unannotated, Any),
        (quoted, str),
        (nothing, type(None)),
    ],
)
def test_returns_is_the_type_of_the_value(function: Callable[..., object], expected: object) -> None:
    assert Signature(function, "test").returns == expected


def takes_bytes(data: bytes, more: int = 1) -> None: ...
def takes_maybe_bytes(data: bytes | None) -> None: ...
def takes_anything(data=None): ...
def takes_bytes_by_keyword(*, data: bytes) -> None: ...


@pytest.mark.parametrize(
    ("function", "fits"),
    [
        (takes_bytes, True),
        (takes_maybe_bytes, True),
        (unannotated, True),
        (takes_anything, True),
        (takes_bytes_by_keyword, False),
        (plain, False),
        (nothing, False),
        (answers, False),
    ],
)
def test_accepts_bytes(function: Callable[..., object], fits: bool) -> None:
    assert Signature(function, "test").accepts_bytes() is fits
