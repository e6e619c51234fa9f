"""The keys that calls of agents are signed with."""

from contracts.signing import ListSigningKeys, SigningKeys
from task_svc.signing import Signer


async def list_signing_keys(request: ListSigningKeys, signer: Signer) -> SigningKeys:
    """What is published of them."""
    del request
    return SigningKeys(keys=signer.published)
