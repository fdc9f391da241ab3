"""Fleets of worker processes over one database in Postgres."""

CEILING = 20
"""Of queue ``narrow``."""
EVERY = 0.25
"""Seconds between ticks of the schedule."""
QUEUES = "plain:4,fresh:4,narrow:4,limited:4,long:4,answer:4,tick:2"
"""With the slots of each worker. A task has a queue of its name."""
