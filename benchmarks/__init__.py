"""What is fast and what is not, as ratios taken within one run: machines differ and drift."""
