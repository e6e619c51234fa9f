"""Tests of payments by machines; a package, so that what they share ends with them."""
