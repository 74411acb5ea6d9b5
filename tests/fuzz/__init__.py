"""Text and bytes that nobody would send on purpose: a sentence, whatever comes; no traceback."""
