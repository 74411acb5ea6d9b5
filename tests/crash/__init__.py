"""Killing a desk with -9 at any moment, as a power cut would, and going on from what is on disk."""
