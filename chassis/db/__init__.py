"""PostgreSQL: connections, transactions, statements, and the tables that every service has."""
