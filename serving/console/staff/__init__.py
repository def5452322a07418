"""The team: employees, who looks after whom, and what they attained."""
