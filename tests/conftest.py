"""Two test processes share a machine: one thread each, here and in all that they start."""

from __future__ import annotations

import os

# Before anything imports torch; threads that wait for each other spin, and take the other's core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
