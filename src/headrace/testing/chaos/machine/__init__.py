"""Faults of the machine under a store: a full disk, a read-only one, one that fails, limits, forks, clocks that step.

``python -m headrace.testing.chaos --storage sqlite --scenario disk-full --seed 3``. Each is a short course in steps,
not a storm: what is struck, and when, follows from the seed; what is asked of it is said in its own file.
"""
