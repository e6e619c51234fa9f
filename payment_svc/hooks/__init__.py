"""Webhooks: accounts are told what concerns them. It knows no ledger, and has tables of its own."""
