"""How the state database came to its present tables, step by step."""
