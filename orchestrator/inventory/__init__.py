"""What a name given to --hosts means."""
