"""``headrace queues``: what it prints, its exit codes, its JSON."""

import pytest
from shell import Shell


@pytest.fixture
def busy(shell: Shell) -> Shell:
    """Its store has two mails that wait, and a ceiling."""
    with shell.store() as app:
        app.enqueue("send", {"to": "a"}, queue="email")
        app.enqueue("send", {"to": "b"}, queue="email", delay=60)
        app.scale("email", 5)
        app.pause("slow")
    return shell


def test_the_list_tells_of_each_queue(busy: Shell) -> None:
    ran = busy("queues", "-s", "sqlite:///jobs.db")
    assert ran.code == 0
    assert [line.split() for line in ran.out.splitlines()] == [
        ["QUEUE", "STATE", "CEILING", "RUNNING", "DUE", "LATER", "DEAD", "WORKERS"],
        ["email", "open", "5", "0", "1", "1", "0", "none"],
        ["slow", "paused", "0", "0", "0", "0", "none"],
    ]


def test_the_list_as_json_goes_by_pages(busy: Shell) -> None:
    first = busy("queues", "-s", "sqlite:///jobs.db", "--json", "--limit", "1").json
    (email,) = first["queues"]
    assert email == {
        "queue": "email",
        "paused": False,
        "concurrency": 5,
        "cools_until": None,
        "retention": None,
        "counts": {"pending": 1, "scheduled": 1},
        "limits": [],
        "workers": {},
    }
    rest = busy("queues", "-s", "sqlite:///jobs.db", "--json", "--after", first["next"]).json
    assert [view["queue"] for view in rest["queues"]] == ["slow"]
    assert rest["next"] is None


def test_pause_resume_and_scale(shell: Shell) -> None:
    shell("migrate", "shop:app")
    assert shell("queues", "shop:app", "pause", "email", "other").out == (
        "email: paused, no ceiling\nother: paused, no ceiling\n"
    )
    assert shell("queues", "shop:app", "resume", "email").out == "email: open, no ceiling\n"
    assert shell("queues", "shop:app", "scale", "email", "20").out == "email: open, at most 20 at once\n"
    changed = shell("queues", "shop:app", "scale", "email", "none", "--json").json
    assert [(view["queue"], view["concurrency"]) for view in changed["queues"]] == [("email", None)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stop", "email"], "'stop' is none of pause, resume, scale"),
        (["pause"], "pause takes names of queues"),
        (["scale", "email"], "scale takes a queue and a number, or none"),
        (["scale", "email", "many"], "'many' is no number of jobs"),
        (["scale", "email", "0"], "concurrency=0 can't be used"),
        (["pause", "e mail"], "queue name 'e mail'"),
    ],
)
def test_what_is_no_order_is_refused(shell: Shell, words: list[str], message: str) -> None:
    shell("migrate", "shop:app")
    ran = shell("queues", "shop:app", *words)
    assert ran.code != 0
    assert message in ran.err


def test_an_empty_store_has_the_queues_of_the_app(shell: Shell) -> None:
    shell("migrate", "shop:app")
    assert shell("queues", "-s", "sqlite:///jobs.db").out == "no queues\n"
    assert "email" in shell("queues", "shop:app").out
