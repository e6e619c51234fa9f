from hypothesis import HealthCheck, settings

# On a busy machine a slow example is no defect.
settings.register_profile(
    "unhurried", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")
