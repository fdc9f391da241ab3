"""Says what is missing, once, where the suite is run by itself: ``pytest --pyargs headrace.testing.conformance``."""

import pytest

_MISSING = """the conformance suite needs a fixture `storage_factory`, and found none.

Write a conftest.py in the folder that pytest calls `rootdir`, or a plugin that you name with `-p`, with

    import pytest
    from my_package import MyStorage

    @pytest.fixture
    def storage_factory(tmp_path):
        return lambda clock: MyStorage(tmp_path / "store", clock=clock)

It returns a function that makes an unopened handle on an empty store, which reads time from this clock alone."""


@pytest.fixture(autouse=True)
def storage_factory_is_there(request: pytest.FixtureRequest) -> None:
    """Ends the run, with a word on what to write, where there is none."""
    try:
        request.getfixturevalue("storage_factory")
    except pytest.FixtureLookupError as error:
        if error.argname != "storage_factory":
            raise
        pytest.exit(_MISSING, returncode=pytest.ExitCode.USAGE_ERROR)
