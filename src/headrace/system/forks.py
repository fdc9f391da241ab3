"""Forks that handlers make."""

import ctypes
import os


class Home:
    """The process that this was made in."""

    __slots__ = ("pid",)

    def __init__(self) -> None:
        self.pid = os.getpid()

    def end_fork(self) -> None:
        """Called where a handler has returned: a fork of it that comes here too ends, at once and without a word.

        It would go on as a second worker, with the threads, loops and descriptors of the first.
        """
        if self.is_fork:
            os._exit(0)

    @property
    def is_fork(self) -> bool:
        """Whether this code runs in a fork."""
        return os.getpid() != self.pid


def keep_for_ever(thing: object) -> None:
    """In a fork, for what belongs to its parent: not even the end of the interpreter finalises it here."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
