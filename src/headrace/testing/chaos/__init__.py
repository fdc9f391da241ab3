"""Chaos: real processes on a real store, killed, stopped and hurried at random, and what they say checked afterwards.

``python -m headrace.testing.chaos --storage sqlite --kills 500 --seed 7``. All that is asked for and all that happens
is written down outside the store; in the end it is held against what the store holds. Runs on Linux.
"""
