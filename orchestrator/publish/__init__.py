"""Whole pages, from what is on disk."""
