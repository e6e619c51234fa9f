"""Credentials that may spend no more than so much."""
