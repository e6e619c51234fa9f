"""What every request passes on its way to the routes; all plain ASGI, and around FastAPI.

From the outside to the inside, and why in this order (`stack` builds it):

0. `gateway.again`: notes what came from the cache, so that the connection may give it again. A
   layer that looks at more than the bytes of a GET says there what it would look at again.
1. access: of every request there is a log line, however it ends.
2. protection: every answer has the headers that protect browsers, errors too.
3. `gateway.doors.shapes`: errors of the layers below, as the protocol of a door has them. Paths,
   and `gateway.hosts`: what must not be asked at all is refused before anything is done.
4. CORS: pages of other origins may read errors as well.
5. `errors.Shield`: whatever fails inside, an answer leaves.
6. tracing: a span of what is worth one.
7. rates, `auth.Door`, rates: an address is counted before its credential is looked at, an account
   once it is known.
8. limits: the body is whole before it is compared with an earlier one, or anything is begun.
9. paying, where machines pay: its headers go with whoever answers. `gateway.doors`: who speaks
   another protocol is answered there; what a door asks of the API goes on here, with the same
   caller.
10. caching: here it is known who asks and that he may. It answers what has not changed, and notes
    who writes; FastAPI never sees what it answers.
11. crowds: who is too many is refused before a claim is written, and nothing is kept of him.
12. idempotency: what was done before is answered again.
13. head: HEAD is answered as GET.
"""
