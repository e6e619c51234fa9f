"""What a service's role may do with its tables, which belong to somebody else.

Of every context there are two roles. `bazaar_<context>_owner` owns the schema and what is in it,
and is used by the migration step alone. `bazaar_<context>` is the running service's: it owns
nothing, so that it can neither change a table nor give itself a right that it does not have.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, MetaData, text

APPEND_ONLY: Mapping[str, object] = {"rights": ("SELECT", "INSERT")}
"""`Table(..., info=APPEND_ONLY)`: rows are added and read, and never changed again."""
NEVER_DELETED: Mapping[str, object] = {"rights": ("SELECT", "INSERT", "UPDATE")}
"""`Table(..., info=NEVER_DELETED)`: rows change, but none goes."""
ORDINARY = ("SELECT", "INSERT", "UPDATE", "DELETE")
VERSION_TABLE = "alembic_version"

_HELD = text(
    "SELECT c.relname AS name, coalesce(array_agg(a.privilege_type)"
    " FILTER (WHERE a.grantee = to_regrole(:role)), '{}') AS rights"
    " FROM pg_class c LEFT JOIN LATERAL aclexplode(c.relacl) a ON true"
    " WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind IN ('r', 'p')"
    " GROUP BY c.relname"
)


class NotTheOwner(Exception):
    """The login may not migrate the schema; the message says which one may."""


def service_role(context: str) -> str:
    """The login of the running service."""
    return f"bazaar_{context}"


def owner_role(context: str) -> str:
    """The login of the migration step, who owns the context's schema."""
    return f"bazaar_{context}_owner"


def grant(conn: Connection, metadata: MetaData) -> None:
    """Give the service's role what its tables say, and no more; run by their owner.

    Tables that this release does not know are left as they are: another release's service may
    run beside it. A second run changes nothing.
    """
    schema = str(metadata.schema)
    role = service_role(schema)
    wanted = {
        table.name: table.info.get("rights", ORDINARY)
        for table in metadata.tables.values()
        if table.schema == schema
    } | {VERSION_TABLE: ("SELECT",)}
    held = conn.execute(_HELD, {"role": role, "schema": schema}).all()
    for name, rights in held:
        if name in wanted and set(rights) != set(wanted[name]):
            table = f'"{schema}"."{name}"'
            conn.execute(text(f"REVOKE ALL ON {table} FROM {role}"))
            conn.execute(text(f"GRANT {', '.join(wanted[name])} ON {table} TO {role}"))
    # To take numbers from, never to set back.
    conn.execute(text(f'REVOKE ALL ON ALL SEQUENCES IN SCHEMA "{schema}" FROM {role}'))
    conn.execute(text(f'GRANT USAGE ON ALL SEQUENCES IN SCHEMA "{schema}" TO {role}'))


def check_owner(conn: Connection, schema: str) -> None:
    """Make sure that a migration is run by the schema's owner, and not by the service.

    Raises:
        NotTheOwner: it is not; or the schema is still the service's, or is not there.
    """
    query = "SELECT current_user AS me, pg_get_userbyid(nspowner) AS owner FROM pg_namespace"
    found = conn.execute(text(f"{query} WHERE nspname = :schema"), {"schema": schema}).one_or_none()
    owner = owner_role(schema)
    if found is None or found.owner != owner:
        raise NotTheOwner(
            f"schema {schema} is not {owner}'s: run python -m chassis.provision of this release"
        )
    if found.me != owner:
        raise NotTheOwner(f"{found.me} may not migrate schema {schema}: log in as {owner}")
