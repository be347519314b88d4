"""What a run shows: its figures."""
