"""What trials found: outcomes read once windows close, effects, whom an action moves."""
