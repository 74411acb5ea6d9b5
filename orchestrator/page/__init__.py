"""What a page is made of (pure, but for the templates)."""
