"""What a client of a bucket says is told by its words, not by figures that happen to be in it."""

import pytest

from headrace.model.errors import CorruptStore, NotPermitted, StoreError, StoreUnreachable
from headrace.storage.objectstore import driver
from headrace.storage.objectstore.faults import translated

ASKED = "object store error (Generic S3 error: Error performing GET http://127.0.0.1:403/jobs/416.sst in"


@pytest.mark.parametrize(
    ("said", "kind", "word"),
    [
        ("416.2ms - Server returned non-2xx status code: 500 Internal Server Error: )", StoreUnreachable, "500"),
        ("401.9ms - Server returned non-2xx status code: 500 Internal Server Error: )", StoreUnreachable, "500"),
        ("1.5ms - Server returned non-2xx status code: 416 Range Not Satisfiable: )", CorruptStore, "416"),
        ("1.5ms - Server returned non-2xx status code: 401 Unauthorized: )", NotPermitted, "401 Unauthorized"),
    ],
)
def test_how_long_it_took_is_no_status(said: str, kind: type[StoreError], word: str) -> None:
    told = translated(driver.Unavailable(message=f"{ASKED} {said}"), "s3://bucket/jobs")
    assert type(told) is kind
    assert word in str(told)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("s3://bucket/jobs", "set AWS_ALLOW_HTTP=true"),
        ("az://container/jobs", "set AZURE_ALLOW_HTTP=true"),
    ],
)
def test_http_that_was_not_allowed(where: str, words: str) -> None:
    told = translated(driver.Unavailable(message=f"{ASKED} 11.2µs - HTTP error: builder error)"), where)
    assert type(told) is StoreUnreachable
    assert words in str(told)
