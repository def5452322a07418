"""The pages of the plan: who does what for which customers."""
