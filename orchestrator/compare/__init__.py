"""What hosts delivered -> how much faster, how sure, and why (pure, but for the runs it reads)."""
