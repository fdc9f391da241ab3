"""``python -P s3_program.py PORT``: moto's S3 on 127.0.0.1, one request at a time. It imports nothing of ours."""

import io
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

READY = "ready for requests"
"""What it says when it listens."""


class OneAtATime:
    """In moto a conditional PUT looks first and writes then. Once in some 1,600 races of eight clients for a key two of
    them won: such a store lets two owners have the same epoch, which no real one does."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # before the lock: a client that stalls in the middle of its body holds up nobody else
        is_chunked = environ.get("wsgi.input_terminated", False)
        length = -1 if is_chunked else int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        with self._lock:
            answer = self._application(environ, start_response)
            try:
                return [b"".join(answer)]
            finally:
                getattr(answer, "close", lambda: None)()


def main(port: int) -> None:
    """Serves until it is killed."""
    application = OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler)
    sys.stderr.write(f"{READY}\n")
    sys.stderr.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
