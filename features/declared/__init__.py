"""The declarations of features, by what they are about."""
