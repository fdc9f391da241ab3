"""Text cut to what may be stored."""

MARK = "… (cut)"
"""What stands at the end of text that was cut."""


def bounded(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` bytes of UTF-8, cut with a mark; lone surrogates are replaced."""
    data = text[: limit + 1].encode("utf-8", "replace")  # a character has a byte or more: the rest is cut anyway
    if len(data) <= limit:
        return data.decode()
    return data[: limit - len(MARK.encode())].decode("utf-8", "ignore") + MARK
