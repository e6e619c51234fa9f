"""PostgreSQL expects every word to be common: none is then sorted whole for its first few.

What is looked for is known only when the query runs. PostgreSQL takes each word for as rare as the
average, some ten agents, and reads and sorts all that have it; for one that ten thousand have, the
index in the order that is asked for gives the same after eighty. For a rare one both are as fast.
"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Say how many words it has to reckon with, from the next look at the table on."""
    op.execute("ALTER TABLE registry.agent_words ALTER COLUMN word SET (n_distinct = 20)")
    op.execute("ANALYZE registry.agent_words")
