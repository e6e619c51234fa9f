"""The libraries of machine payments are loaded here first, as the service loads them."""

from payment_svc.machine.loading import as_deep_as_before

with as_deep_as_before():
    import payment_svc.machine.wiring  # noqa: F401
