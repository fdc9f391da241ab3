"""``python -m tests.planted``: plants each fault in a process of its own and looks for it with seeds 0, 1, 2, ..., or
with the tests that are to catch it; prints a table.

With ``--write`` the table is kept as data, from which a page of the docs is made; with ``--serve`` it answers requests
of tests, one on each line: the name of a fault and where to look for it, or a seed that has to be good.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tests.planted.hunting import Catch, HuntFailed, all_faults, hashes_are_fixed, hunt, is_good
from tests.planted.planting import Fault, Proof

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "docs" / "explanation" / "data" / "planted.json"


def main(
    only: Annotated[list[str] | None, typer.Argument(help="Names of faults; all, if none is given.")] = None,
    seeds: Annotated[int, typer.Option(help="How many simulations to try for each, at most.")] = 200,
    write: Annotated[bool, typer.Option(help="Keep the table as data for the docs.")] = False,
    serve: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Plant faults, and show what catches them."""
    if not hashes_are_fixed():
        again = {**os.environ, "PYTHONHASHSEED": "0"}
        os.execve(sys.executable, [sys.executable, "-m", "tests.planted", *sys.argv[1:]], again)
    os.chdir(ROOT)
    faults = all_faults()
    if serve:
        _serve(faults)
        return
    rows: list[dict[str, Any]] = []
    for name in only or faults:
        fault = faults[name]
        rows.append(_row(name, fault, _look_for(fault, seeds)))
        print(_line(rows[-1]), flush=True)
        if write:
            _keep(faults, rows)
    caught = sum(bool(row["by"]) for row in rows)
    print(f"planted={len(rows)} caught={caught} {'PASS' if caught == len(rows) else 'FAIL'}")
    sys.exit(0 if caught == len(rows) else 1)


def _tried(fault: Fault, wheres: Sequence[str]) -> Catch:
    try:
        return hunt(fault, wheres)
    except HuntFailed as error:
        return Catch(by=(), told=str(error), where="", after=0, seconds=0)


def _look_for(fault: Fault, seeds: int) -> Catch:
    """A seed that is bad by itself catches nothing."""
    if fault.proof is not Proof.SIMULATION:
        return _tried(fault, [fault.proof])
    tried, seconds = 0, 0.0
    while True:
        catch = _tried(fault, [str(seed) for seed in range(tried, seeds)])
        tried, seconds = tried + catch.after, seconds + catch.seconds
        if not catch.by or is_good(fault, catch.where):
            return msgspec.structs.replace(catch, after=tried, seconds=seconds)


def _row(name: str, fault: Fault, catch: Catch) -> dict[str, Any]:
    about = {"name": name, "wrong": fault.wrong, "disaster": fault.disaster, "proof": fault.proof.name.lower()}
    about["drawn"] = not fault.under
    return about | msgspec.to_builtins(catch) | {"seconds": round(catch.seconds, 1)}


def _line(row: dict[str, Any]) -> str:
    unit = "seeds" if row["proof"] == Proof.SIMULATION.name.lower() else "tests"
    by = ", ".join(row["by"]) or "NOT CAUGHT"
    return f"{row['name']:35} {row['after']:4} {unit} {row['seconds']:6.1f} s  {by}: {row['told'][:200]}"


def _keep(faults: Iterable[str], rows: Sequence[dict[str, Any]]) -> None:
    """In place of what was known of these faults; others stay."""
    before = json.loads(DATA.read_text("utf-8"))["faults"] if DATA.exists() else []
    kept = {row["name"]: row for row in [*before, *rows]}
    DATA.parent.mkdir(exist_ok=True)
    table = {"faults": [kept[name] for name in faults if name in kept]}
    DATA.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", "utf-8")


# --- for tests -------------------------------------------------------------------------------------------------------


def _serve(faults: dict[str, Fault]) -> None:
    for line in sys.stdin:
        try:
            answer = _answer(faults, json.loads(line))
        except HuntFailed as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


def _answer(faults: dict[str, Fault], request: dict[str, Any]) -> Any:
    if "good" in request:
        return is_good(faults[request["fault"]], request["good"])
    return msgspec.to_builtins(_tried(faults[request["fault"]], request["wheres"]))


if __name__ == "__main__":
    typer.run(main)
