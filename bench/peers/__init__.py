"""headrace beside other queues and the bare databases: the same jobs, the same program, one machine.

``python -m bench.peers`` measures, ``python -m bench.peers.report`` tells what it wrote down.
"""
