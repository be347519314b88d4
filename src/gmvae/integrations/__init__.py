"""Objects of other projects, in and out; each needs an extra."""
