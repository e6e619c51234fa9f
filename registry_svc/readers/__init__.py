"""What agents say of themselves, read in each protocol that the marketplace calls.

A reader is `async def read(http, url, timeout_s) -> list[Offer]`; it raises `BadAnswer` with a
sentence when there is nothing of its kind at the URL. What it returns is a stranger's word: the
shape is checked, the wording is not yet (`registry_svc.wording`).
"""
