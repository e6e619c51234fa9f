"""Lists as the API shows them, written once by the service that has them and passed on as they are.

The gateway says in a request that it wants that; the reply says that it is that. Its body is then
the bare array, with amounts as numbers, and the next page's cursor is in a header. A service that
does not know of it, as in release 0.2.0, answers with its message as ever.
"""

AS_SHOWN = "Bazaar-As-Shown"
"""`true` in a request, and in the reply that is written so."""
NEXT = "Bazaar-Next-Page"
"""The cursor of the next page; absent on the last."""
