"""The ledger: accounts and their lines, wallets, records of payments, statements, receipts."""
