"""The documentation tells the truth: its programs run, its links lead somewhere, its reference is complete.

A block marked ``python`` is a whole program. The blocks of a page run in order, in one folder; one that begins with
``# name.py`` is saved under that name. Where an ``output`` block follows, that is what the program must print. A block
marked ``python no-run`` is only compiled.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

import headrace
from headrace.interface.cli.main import add_demo, application
from headrace.interface.config import Options
from headrace.interface.template import Using
from headrace.model import errors
from headrace.model.facts import Reason
from headrace.runtime.events import EVENTS
from headrace.runtime.settings import Settings

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
LINKING = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "examples/README.md"]
LONGEST = 30.0
"""Seconds a program may take on a busy machine; each needs well under one on an idle one."""

_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"# (\w+\.py)\n")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """What stands between two fences."""

    kind: str
    text: str


class Program(NamedTuple):
    """One block to run."""

    name: str
    text: str
    output: str | None


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    return [Block(kind.strip(), text) for kind, text in _FENCE.findall(page.read_text(encoding="utf-8"))]


def programs(page: Path) -> Iterator[Program]:
    found = blocks(page)
    for number, (block, after) in enumerate(zip(found, [*found[1:], Block("", "")], strict=False), start=1):
        if block.kind == "python":
            named = _NAMED.match(block.text)
            output = after.text if after.kind == "output" else None
            yield Program(named[1] if named else f"block_{number}.py", block.text, output)


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", [page for page in PAGES if any(programs(page))], ids=name_of)
def test_every_program_runs(page: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HEADRACE_")]:
        monkeypatch.delenv(name)
    for program in programs(page):
        (pytester.path / program.name).write_text(program.text, encoding="utf-8")
        ran = pytester.run(sys.executable, program.name, timeout=LONGEST)
        assert ran.ret == 0, f"{program.name} of {name_of(page)} failed"
        if program.output is not None:
            assert ran.outlines == program.output.splitlines()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_not_run_is_python_all_the_same(page: Path) -> None:
    for block in blocks(page):
        if block.kind == "python no-run":
            compile(block.text, name_of(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_are_marked_as_this_file_knows_them(page: Path) -> None:
    known = {"python", "python no-run", "output", "console", "text", "mermaid", ""}
    assert {block.kind for block in blocks(page)} <= known


@pytest.mark.parametrize("page", LINKING, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{name_of(page)} links to {target}"
        if anchor:
            headings = {slug(line.lstrip("#")) for line in prose(there).splitlines() if line.startswith("#")}
            assert anchor in headings, f"{name_of(page)} links to {target}"


def test_the_index_names_every_page() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in _LINK.findall(prose(index))}
    assert sorted(name_of(page) for page in DOCS.rglob("*.md") if page not in linked | {index}) == []


@pytest.mark.parametrize("name", headrace.__all__)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    assert re.search(rf"\b{name}\b", prose(DOCS / "reference/api.md"))  # beside the import that lists them all


@pytest.mark.parametrize("name", list(Using.__annotations__))
def test_every_option_of_a_job_is_in_the_reference(name: str) -> None:
    assert f"| `{name}` |" in (DOCS / "reference/api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name, kind in vars(errors).items() if isinstance(kind, type)])
def test_every_error_is_in_the_reference(name: str) -> None:
    if issubclass(getattr(errors, name), errors.HeadraceError):
        assert f"| `{name}` |" in (DOCS / "reference/errors.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted({*Options.__annotations__, *Settings.__struct_fields__} - {"keep"}))
def test_every_setting_is_in_the_reference(name: str) -> None:
    assert f"`{name}`" in (DOCS / "reference/options.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_is_in_the_reference(name: str) -> None:
    assert f"| `{name}` |" in (DOCS / "reference/events.md").read_text(encoding="utf-8")


def commands() -> dict[str, set[str]]:
    """The options of every command."""
    add_demo()
    group = typer.main.get_command(application)
    return {name: {opt for one in found.params for opt in one.opts} for name, found in group.commands.items()}


def test_every_reason_is_explained() -> None:
    text = (DOCS / "how-to/why-does-it-not-run.md").read_text(encoding="utf-8")
    tables = " ".join(line for line in text.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", tables)) >= set(Reason)


def test_every_command_is_in_the_reference() -> None:
    text = (DOCS / "reference/cli.md").read_text(encoding="utf-8")
    for name, options in commands().items():
        assert f"## `headrace {name}`" in text
        assert all(f"`{option}`" in text for option in options if option.startswith("-"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_shown_commands_exist(page: Path) -> None:
    known = commands()
    shown = [line for block in blocks(page) if not block.kind.startswith("python") for line in block.text.splitlines()]
    shown += re.findall(r"`([^`\n]+)`", prose(page))
    for line in shown:
        words = line.removeprefix("$ ").partition("  #")[0].split()
        if words[:1] != ["headrace"] or words[1:2] in ([], ["--version"], ["--help"]):
            continue
        name, *rest = words[1:]
        assert name in known, f"{name_of(page)} shows headrace {name}"
        options = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert options <= known[name] | {"-h", "--help"}, f"{name_of(page)} shows: {line}"
