"""Runs on the desk: plans, collects, compares, renders. Never imports torch."""
