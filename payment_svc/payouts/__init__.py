"""The seller's side: whose agents earned what, when it is settled, and how it is paid out."""
