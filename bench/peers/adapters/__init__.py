"""How each queue is spoken to. What it is, and how it is measured, stands in ``bench.peers.catalogue``.

An adapter runs in the queue's own virtual environment. It has ``setup``, ``Producer`` with ``start``, ``one``, maybe
``bulk``, and ``stop``, all sync or all async; ``work`` is its worker, until it is killed. Where one process must do
both, ``working`` is a worker for the length of a ``with``, sync or async as its producer is.
"""
