"""What if certain events came, and which actions lead to a tier."""
