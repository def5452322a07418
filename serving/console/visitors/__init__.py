"""Who may come in: people, their passwords and sessions, signing in and out."""
