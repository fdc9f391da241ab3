"""Why the system refuses to write: SQLite says "disk I/O error" for most of it."""

import errno
import os
import resource

_SAMPLE = bytes(8_192)
_GROWTH = 65_536
"""Bytes by which a -wal or a -shm may grow at once."""


def refusal(path: str) -> OSError | None:
    """What a small write beside the file meets just now, for whoever was refused one. Nothing stays; None where it is
    not refused, or can't be tried."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit != resource.RLIM_INFINITY and max(_size(path), _size(f"{path}-wal")) + _GROWTH > limit:
        return OSError(errno.EFBIG, f"the process may write no file beyond {limit} bytes")
    try:
        # A file without a name: it is gone with its descriptor, whatever becomes of this process.
        descriptor = os.open(os.path.dirname(path), os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    except OSError as error:
        return error if error.errno not in (errno.EISDIR, errno.EOPNOTSUPP, errno.ENOENT) else None
    try:
        os.write(descriptor, _SAMPLE)
    except OSError as error:
        return error
    finally:
        os.close(descriptor)
    return None


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
