"""The portfolio: what tiers and segments hold, who moved, risk through time."""
