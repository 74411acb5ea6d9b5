"""One case, measured: its stages in the order in which they happen."""
