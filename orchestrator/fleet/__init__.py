"""Hosts at work, all at once, and what is done with them besides."""
