"""Tier policies as an axis of their own: kept in versions, previewed, approved, in force."""
