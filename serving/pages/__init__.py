"""Pages and pictures for managers and data scientists."""
