"""What a proxy has seen."""

import msgspec

from headrace.testing.proxy.faults import Direction


class Counts(msgspec.Struct, kw_only=True):
    """Since the proxy was opened."""

    accepted: int = 0
    """Connections that were not refused; those into a black hole too."""
    refused: int = 0
    unreachable: int = 0
    """Accepted, but the server couldn't be reached: the client was cut off."""
    unreadable: int = 0
    """Connections whose bytes the dialogue can't follow, because they are encrypted or not of its protocol: no answer
    on them is ever dropped."""
    to_server: int = 0
    """Bytes passed on."""
    to_client: int = 0
    swallowed: int = 0
    """Bytes, both ways."""
    answers_dropped: int = 0
    attempts: list[float] = msgspec.field(default_factory=list)
    """When clients tried to connect, refused ones too, in seconds of the loop."""

    def add(self, way: Direction, length: int, arrived: bool) -> None:
        """So many bytes were passed on, or swallowed."""
        if not arrived:
            self.swallowed += length
        elif way is Direction.TO_SERVER:
            self.to_server += length
        else:
            self.to_client += length
