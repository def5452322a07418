"""Who may come in and ask what: keys, roles, customer scopes, rates, and the audit log of it."""
