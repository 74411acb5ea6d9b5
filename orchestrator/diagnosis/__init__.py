"""What is known of a host -> whether it can measure (pure)."""
