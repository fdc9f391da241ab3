"""What log lines look like, and that stored text can't forge or steer them."""

import json
import logging
import sys

import pytest

from headrace.interface.logs import JsonLines, TextLines, configure_logs, report
from headrace.model.errors import LeaseLost


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("headrace", logging.WARNING, __file__, 1, message, arguments, None)
    made.created = 1_800_000_000.25
    vars(made).update(extra)
    return made


def test_text_lines() -> None:
    assert TextLines().format(record("hello %s", "you")) == "2027-01-15T08:00:00.250Z WARNING headrace: hello you"


def test_text_lines_are_escaped_and_what_follows_the_first_is_set_in() -> None:
    line = TextLines().format(record("%s", "\x1b[2J\r\n2027 ERROR headrace: forged"))
    assert line.endswith(": \\x1b[2J\\x0d\n    2027 ERROR headrace: forged")


def test_json_lines_have_what_extra_gave() -> None:
    line = JsonLines().format(record("hello\n\x9b", event="greeting", queues={"a": 1}, odd={1, 2}.__class__))
    assert "\n" not in line
    assert line.isascii()
    fields = json.loads(line)
    assert fields["message"] == "hello\n\x9b"
    assert fields["level"] == "warning"
    assert fields["time"] == "2027-01-15T08:00:00.250Z"
    assert fields["queues"] == {"a": 1}
    assert fields["odd"] == "<class 'set'>"
    assert "args" not in fields


def test_arguments_that_do_not_fit_lose_no_line() -> None:
    assert TextLines().format(record("%d things", "no number")).endswith("%d things ('no number',)")


def test_tracebacks_are_kept() -> None:
    made = record("it failed")
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert "ValueError: why" in json.loads(JsonLines().format(made))["message"]
    assert "\n    ValueError: why" in TextLines().format(made)


def bare_root(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """The root logger as a fresh process has it, until the end of the test."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", logging.WARNING)
    return root


@pytest.mark.parametrize(("log_format", "formatter"), [("text", TextLines), ("json", JsonLines)])
def test_configuring_sets_up_the_whole_process(
    monkeypatch: pytest.MonkeyPatch, log_format: str, formatter: type
) -> None:
    root = bare_root(monkeypatch)
    configure_logs(log_format)
    (handler,) = root.handlers
    assert isinstance(handler.formatter, formatter)
    assert root.level == logging.INFO


def test_what_the_program_set_up_itself_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    root = bare_root(monkeypatch)
    own = logging.NullHandler()
    root.addHandler(own)
    configure_logs("json")
    assert root.handlers == [own]


def test_lost_leases_are_warnings_and_other_errors_errors(caplog: pytest.LogCaptureFixture) -> None:
    report("worker", LeaseLost("1"))
    report("heart", ValueError("why"))
    assert [(record.levelname, record.message.split(" is ")[0]) for record in caplog.records] == [
        ("WARNING", "worker: job 1"),
        ("ERROR", "heart: ValueError: why"),
    ]
