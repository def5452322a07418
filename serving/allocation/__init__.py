"""Who does what for whom: the plan that saves most value within hours, skills and budgets."""
