"""Power cuts: a real run on SQLite is recorded, call by call; from any point of it, what the disk may hold then is made
and opened.

``python -m headrace.testing.powercut --cuts 500 --seed 7``
"""
