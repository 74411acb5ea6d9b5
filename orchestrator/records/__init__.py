"""What hosts send and a run folder holds: judged, kept, read again."""
