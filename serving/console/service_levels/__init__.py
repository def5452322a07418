"""Service standards of the tiers, how they were kept, and whose visits are owed."""
