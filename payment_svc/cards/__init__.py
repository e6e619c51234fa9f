"""The real card rail: charges, top-ups and what Stripe tells of them."""
