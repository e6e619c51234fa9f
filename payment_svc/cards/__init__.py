"""The real card rail: charges, top-ups and what Stripe tells of them."""

from chassis.lean import without

with without("pygments", "requests", "rich"):  # Stripe is called by HTTPX.
    import stripe  # noqa: F401
