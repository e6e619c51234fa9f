"""The AG-UI door: the rules of ag-ui-validate on a live run, and the client of front ends."""

from pathlib import Path

from tests.conformance.kits import HERE, node_with, python_with, run

VALIDATE = "ag-ui-validate==0.4.0"
CLIENT = "@ag-ui/client@1.0.0"


async def validate(folder: Path, url: str, key: str) -> dict[str, bool]:
    """A run, as the validator asks for it, breaks no rule."""
    bin_ = await python_with(folder / "agui", VALIDATE, "httpx==0.28.1")
    if bin_ is None:
        return {VALIDATE: False}
    who = ("--header", f"Authorization: Bearer {key}")
    asked = (bin_ / "ag-ui-validate", *who, "--timeout", "120", f"{url}/agui")
    return {VALIDATE: await run(*asked, key=key)}


async def client(folder: Path, url: str, key: str, skill: str) -> dict[str, bool]:
    """A wish is carried out for HttpAgent, which front ends use."""
    place = folder / "agui-js"
    env = await node_with(place, CLIENT)
    if env is None:
        return {CLIENT: False}
    script = place / "client.mjs"
    script.write_text((HERE / "agui_client.mjs").read_text())
    return {CLIENT: await run("node", script, f"{url}/agui", key, skill, env=env, key=key)}
