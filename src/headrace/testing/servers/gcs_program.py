"""``python -P gcs_program.py PORT``: moto's S3 on 127.0.0.1, under the names that Google's XML API has for the same."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from headrace.testing.servers.s3_program import READY, OneAtATime

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_SIGNED = (
    f"AWS4-HMAC-SHA256 Credential=any/20000101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature={'0' * 64}"
)
_META, _CONDITION = ("HTTP_X_AMZ_META_", "HTTP_X_GOOG_META_"), "HTTP_X_GOOG_IF_GENERATION_MATCH"


class AsGoogle:
    """Renames headers. What is called a generation here is the object's tag: it tells what was written from what is
    there, as a number of Google does."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        amazon, google = _META
        for name in [name for name in environ if name.startswith(google)]:
            environ[amazon + name.removeprefix(google)] = environ.pop(name)
        condition = environ.pop(_CONDITION, None)
        if condition == "0":
            environ["HTTP_IF_NONE_MATCH"] = "*"
        elif condition is not None:
            environ["HTTP_IF_MATCH"] = f'"{condition}"'
        # this client writes a hyphen as %2D, and moto would not know the bucket
        path = quote(environ["PATH_INFO"].encode("latin-1"))
        environ["RAW_URI"] = environ["REQUEST_URI"] = f"{path}?{environ['QUERY_STRING']}"
        # the client is told to prove nothing, and moto shows nothing to who does not say who they are
        environ["HTTP_AUTHORIZATION"] = _SIGNED

        def start(status: str, headers: Sequence[tuple[str, str]], *more: Any) -> Callable[[bytes], object]:
            return start_response(status, list(_renamed(headers)), *more)

        return self._application(environ, start)


def _renamed(headers: Sequence[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for name, value in headers:
        yield ("x-goog-" + name[6:] if name.lower().startswith("x-amz-") else name), value
        if name.lower() == "etag":
            yield "x-goog-generation", value.strip('"')


def main(port: int) -> None:
    """Serves until it is killed."""
    application = AsGoogle(OneAtATime(DomainDispatcherApplication(create_backend_app)))
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler)
    sys.stderr.write(f"{READY}\n")
    sys.stderr.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
