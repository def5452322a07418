"""What people give, read and understood: files, databases, columns, values, rows refused."""
