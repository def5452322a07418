"""The review queue: who is at risk and worth it, in which order, and as a file."""
