"""A room for messages that wait."""

from chassis.db.messaging_v2 import create_waiting_room

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Create the waiting room."""
    create_waiting_room("payment")
