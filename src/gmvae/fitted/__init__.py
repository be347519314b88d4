"""The outcome of a fit: what it knows, what it answers, and its file."""
