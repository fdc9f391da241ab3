"""mypy sees the public API as it is meant: signatures and results are kept, mistakes are errors."""

from pathlib import Path

import pytest

mypy = pytest.importorskip("mypy.api")


def test_the_public_api_is_typed_as_users_write_it(tmp_path: Path) -> None:
    usage = Path(__file__).with_name("usage.py")
    out, err, code = mypy.run(
        ["--strict", "--no-error-summary", "--follow-imports=silent", f"--cache-dir={tmp_path}", str(usage)]
    )
    assert (out, err, code) == ("", "", 0)
