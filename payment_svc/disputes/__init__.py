"""Disputes: refunds that a seller or an admin has to agree to."""
