"""Payments by machines, x402 and MPP: for calls that a wallet does not cover, and to agents.

What imports the libraries is imported when machine payments are configured (`wiring`): who has
none pays for none of it.
"""
