"""Whom actions leave out at random, and what that tells of their effect."""
