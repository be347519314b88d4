"""From observations to what was fitted: starts, restarts, the best of them, and how many clusters there are."""
