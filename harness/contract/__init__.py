"""What both sides agree on: plans, records, and the data of the catalogue. Loads no torch."""
