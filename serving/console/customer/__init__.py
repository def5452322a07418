"""The page of one customer: why they are where they are, and what to do."""
