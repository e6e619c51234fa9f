"""What happens to a message on its way to its handler, and what becomes of it afterwards."""
