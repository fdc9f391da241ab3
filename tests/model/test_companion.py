"""The lines between a worker and a companion."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.model.companion import ReplyRefused, encode_request, read_reply

natives = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(natives)
def test_a_request_is_one_line(payload: object) -> None:
    line = encode_request("7", payload)
    assert b"\n" not in line
    assert msgspec.json.decode(line) == {"id": "7", "payload": payload}


@given(natives)
def test_a_result_comes_back_as_it_is(value: object) -> None:
    line = msgspec.json.encode({"id": "7", "status": "ok", "result": value})
    assert read_reply(line + b"\r\n", "7").result == value


def test_what_an_answer_leaves_out() -> None:
    assert read_reply(b'{"id":"7","status":"ok"}\n', "7").result is None
    assert read_reply(b'{"id":"7","status":"error"}\n', "7").message == "it gave no reason"
    assert read_reply(b'{"id":"7","status":"ok","took_ms":3}\n', "7").status == "ok"


@pytest.mark.parametrize("name", ["retry_after", "retry_after_secs"])
def test_a_throttled_one_says_for_how_long(name: str) -> None:
    assert read_reply(b'{"id":"7","status":"throttled","%s":2.5}\n' % name.encode(), "7").delay == 2.5
    assert read_reply(b'{"id":"7","status":"throttled","%s":0}\n' % name.encode(), "7").delay == 0


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"ready\n",
        b"null\n",
        b"[]\n",
        b'"ok"\n',
        b"{}\n",
        b'{"id":"7"}\n',
        b'{"status":"ok"}\n',
        b'{"id":7,"status":"ok"}\n',
        b'{"id":"7","status":"done"}\n',
        b'{"id":"7","status":"error","message":3}\n',
        b'{"id":"7","status":"throttled"}\n',
        b'{"id":"7","status":"throttled","retry_after":-1}\n',
        b'{"id":"7","status":"throttled","retry_after":1e300}\n',
        b'{"id":"7","status":"throttled","retry_after":"5s"}\n',
        b'{"id":"7","status":"ok"} {"id":"7"}\n',
        b'{"id":"7","status":"ok","result":NaN}\n',
        b'{"id":"7","status":"ok","result":"\xff"}\n',
        b'{"id":"7","status":"ok","result":' + b"[" * 100_000 + b"\n",
        b"\x00\x01\n",
    ],
    ids=lambda line: repr(line[:50]),
)
def test_what_is_no_answer_is_refused_and_shown(line: bytes) -> None:
    with pytest.raises(ReplyRefused, match=r"^it (sent .*which is no answer|was throttled, and did not say)") as caught:
        read_reply(line, "7")
    assert len(str(caught.value)) < 600


def test_the_answer_to_another_job_is_refused() -> None:
    with pytest.raises(ReplyRefused, match="it answered job '8', which it was not asked"):
        read_reply(b'{"id":"8","status":"ok"}\n', "7")
