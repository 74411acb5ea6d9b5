"""Repeated timings -> speed-ups with intervals, and what may be called a difference (pure)."""
