"""What one Python file defines, and where: the work that the demo's jobs do."""

import ast
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

FOLDER = "index"
"""Inside the demo's folder."""


@dataclass(frozen=True)
class Symbols:
    """What a job returns: the counts of one file. The symbols themselves are in the index."""

    source: str
    lines: int = 0
    functions: int = 0
    classes: int = 0
    methods: int = 0
    problem: str | None = None
    """Why the file could not be parsed."""

    @property
    def total(self) -> int:
        """All symbols."""
        return self.functions + self.classes + self.methods


class Symbol(NamedTuple):
    """One line of the index."""

    kind: str
    name: str
    line: int


def index_path(folder: str, source: str) -> Path:
    """Where the symbols of this file are kept. The same for every run of a job, so that running twice is harmless."""
    return Path(folder, FOLDER, f"{hashlib.sha256(source.encode()).hexdigest()[:24]}.jsonl")


def index(source: str, folder: str) -> Symbols:
    """Parse one file, write its symbols, and count them."""
    try:
        text = Path(source).read_bytes()
        symbols = list(find_symbols(ast.parse(text)))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        _write(index_path(folder, source), source, [])
        return Symbols(source, problem=_describe(error))
    _write(index_path(folder, source), source, symbols)
    kinds = [symbol.kind for symbol in symbols]
    return Symbols(
        source=source,
        lines=text.count(b"\n"),
        functions=kinds.count("function"),
        classes=kinds.count("class"),
        methods=kinds.count("method"),
    )


def find_symbols(tree: ast.AST) -> Iterator[Symbol]:
    """Functions, classes and methods with their dotted names. Not recursive: files nest as deep as they like."""
    waiting: list[tuple[ast.AST, str, bool]] = [(tree, "", False)]
    while waiting:
        node, prefix, in_class = waiting.pop()
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.ClassDef():
                    yield Symbol("class", prefix + child.name, child.lineno)
                    waiting.append((child, f"{prefix}{child.name}.", True))
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    yield Symbol("method" if in_class else "function", prefix + child.name, child.lineno)
                    waiting.append((child, f"{prefix}{child.name}.", False))
                case ast.stmt() | ast.excepthandler() | ast.match_case():
                    waiting.append((child, prefix, in_class))


def _describe(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.msg}, line {error.lineno}" if error.lineno else error.msg
    return f"{type(error).__name__}: {error}"


def _write(path: Path, source: str, symbols: list[Symbol]) -> None:
    """All of it or nothing: whoever is killed in the middle leaves what was there before."""
    lines = [json.dumps({"source": source}), *(json.dumps(symbol._asdict()) for symbol in symbols)]
    handle, unfinished = tempfile.mkstemp(dir=path.parent, suffix=".unfinished")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    Path(unfinished).replace(path)
