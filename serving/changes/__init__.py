"""What changed between two publications, and a customer's tiers over time."""
