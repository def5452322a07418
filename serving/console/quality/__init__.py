"""The pages of the model and of the data."""
