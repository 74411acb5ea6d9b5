"""Recipes: the ways in which a model is made faster, and the proof that one did its work."""
