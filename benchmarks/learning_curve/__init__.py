"""What learning from a sample of the customers costs: quality and cost against its size."""
