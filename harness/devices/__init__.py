"""Devices: what keeps time on each, and what it tells of its memory, clocks, power and kernels."""
