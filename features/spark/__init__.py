"""Intake, features and sentiment on a Spark cluster, written as one machine writes them."""
