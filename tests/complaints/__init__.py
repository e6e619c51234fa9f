"""What people suffered from systems of this kind, tried on this one (see README.md)."""
