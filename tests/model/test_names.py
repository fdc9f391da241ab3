"""Names of tasks, queues, limits and schedules, and dedup keys."""

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.errors import InvalidKey, InvalidName
from headrace.model.names import LONGEST_KEY, LONGEST_NAME, check_key, check_name

PLAIN = set(string.ascii_letters + string.digits + "_.-")
KINDS = {"queue": PLAIN, "limit": PLAIN, "task": PLAIN | {":", "/"}, "schedule": PLAIN | {":", "/"}}
kinds = st.sampled_from(sorted(KINDS))


@given(kinds, st.text(max_size=LONGEST_NAME + 2) | st.text(sorted(PLAIN | {":", "/"}), max_size=LONGEST_NAME + 2))
def test_a_name_is_accepted_exactly_by_its_rule(kind: str, text: str) -> None:
    allowed = 1 <= len(text) <= LONGEST_NAME and set(text) <= KINDS[kind] and "../" not in text
    if allowed:
        assert check_name(kind, text) is text
    else:
        with pytest.raises(InvalidName):
            check_name(kind, text)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("length", [1, LONGEST_NAME])
def test_the_shortest_and_the_longest_name(kind: str, length: int) -> None:
    assert check_name(kind, "x" * length) == "x" * length
    with pytest.raises(InvalidName, match="must be 1 to 255 of"):
        check_name(kind, "x" * (LONGEST_NAME + 1))


def test_only_tasks_and_schedules_have_colons_and_slashes() -> None:
    for kind in ("task", "schedule"):
        assert check_name(kind, "shop.mail:send/now") == "shop.mail:send/now"
    for kind in ("queue", "limit"):
        for name in ("a:b", "a/b"):
            with pytest.raises(InvalidName):
                check_name(kind, name)


@pytest.mark.parametrize("value", [None, 1, b"email", ["email"], object()])
def test_a_name_is_text(value: object) -> None:
    with pytest.raises(InvalidName, match="must be text, not") as caught:
        check_name("queue", value)
    assert caught.value.kind == "queue"
    assert caught.value.value is value


def test_the_error_shows_the_name_bounded() -> None:
    with pytest.raises(InvalidName) as caught:
        check_name("task", "x" * 10_000)
    assert str(caught.value).startswith("task name 'xxx")
    assert len(str(caught.value)) < 300


@given(st.text(max_size=40))
def test_a_key_is_accepted_exactly_by_its_rule(text: str) -> None:
    categories = {unicodedata.category(character) for character in text}
    if text and not categories & {"Cc", "Cs"}:
        assert check_key(text) is text
    else:
        with pytest.raises(InvalidKey):
            check_key(text)


def test_a_key_is_measured_in_bytes() -> None:
    assert check_key("é" * (LONGEST_KEY // 2))
    assert check_key("x" * LONGEST_KEY)
    for text in ("é" * (LONGEST_KEY // 2) + "x", "x" * (LONGEST_KEY + 1)):
        with pytest.raises(InvalidKey, match="1025 bytes"):
            check_key(text)


@pytest.mark.parametrize("value", [None, 1, b"key", ("a", 1)])
def test_a_key_is_text(value: object) -> None:
    with pytest.raises(InvalidKey, match="it must be text, not"):
        check_key(value)
