"""`make secrets`: passwords of one's own, made up once."""

import stat
from pathlib import Path

from deploy import passwords


def test_what_is_missing_is_made_up_once_and_kept_private(tmp_path: Path) -> None:
    compose = "A: ${A_PASSWORD:?make secrets}\nB: ${B_PASSWORD:?make secrets}\nC: ${C:-x}\n"
    (tmp_path / "docker-compose.yml").write_text(compose)
    env = tmp_path / ".env"
    env.write_text("TAG=1\nexport A_PASSWORD=mine\nB_PASSWORD=")
    assert passwords.main(tmp_path) == 0
    first = env.read_text()
    assert first.startswith("TAG=1\nexport A_PASSWORD=mine\n")
    made = dict(line.split("=", 1) for line in first.splitlines()[2:])
    assert len(made["B_PASSWORD"]) >= 32
    assert "C" not in made
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert passwords.main(tmp_path) == 0
    assert env.read_text() == first


def test_what_the_local_stack_has_kept_secrets_with_is_taken_over(tmp_path: Path) -> None:
    compose = "A: ${WEBHOOK_KEY:?make secrets}\nB: ${TASK_DB_PASSWORD:?make secrets}\n"
    (tmp_path / "docker-compose.yml").write_text(compose)
    (tmp_path / ".bazaar").mkdir()
    (tmp_path / ".bazaar" / "secrets.json").write_text('{"webhook_key": "k", "task": "p"}')
    passwords.main(tmp_path)
    assert (tmp_path / ".env").read_text().startswith("WEBHOOK_KEY=k\nTASK_DB_PASSWORD=")


def test_every_installation_has_its_own(tmp_path: Path) -> None:
    found = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "docker-compose.yml").write_text("A: ${A_PASSWORD:?make secrets}\n")
        passwords.main(folder)
        found.add((folder / ".env").read_text())
    assert len(found) == 2
