"""The payment service: wallets, holds, the ledger, and the records of what was paid."""
