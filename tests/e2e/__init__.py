"""Tests of the whole system; a package, so that what they share ends with them."""
