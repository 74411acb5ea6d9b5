"""Models: where they come from, and what goes into them."""
