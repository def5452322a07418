"""Features from running totals along each customer's line of days, a range at a time."""
