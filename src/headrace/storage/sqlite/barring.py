"""Triggers that refuse every write but those of a move. They stand in the file, and so stop whoever has it open, of
whatever version; and a store that was never moved has none, and pays nothing for them."""

import msgspec

from headrace.model.mark import PREFIX
from headrace.storage.sqlite.queries import load_queries
from headrace.storage.sqlite.transaction import Transaction

_MOVING = load_queries("moving")
_TABLES = ("jobs", "keys", "workers", "records", "timeline")
_ROWS = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}
_names = msgspec.json.Decoder(list[str])


def bar(transaction: Transaction, why: str) -> None:
    """From the commit on, whoever writes is told this."""
    text = (PREFIX + why).replace("'", "''")
    for table in _TABLES:
        for event, row in _ROWS.items():
            own = f"{row}.kind <> 'mark' AND " if table == "records" else ""
            transaction.run(
                f"CREATE TRIGGER headrace_moved_{table}_{event.lower()} BEFORE {event} ON {table} "
                f"WHEN {own}NOT EXISTS (SELECT 1 FROM records WHERE kind = 'mark' AND name = 'loading') "
                f"BEGIN SELECT RAISE(ABORT, '{text}'); END"
            )


def unbar(transaction: Transaction) -> None:
    """Nobody is stopped any more."""
    for name in _names.decode(transaction.text(_MOVING["triggers"])):
        transaction.run(f"DROP TRIGGER {name}")
