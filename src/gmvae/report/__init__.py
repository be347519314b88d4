"""What a run shows: its facts and its figures."""
