"""Whether a machine and its stores are fit to serve."""
