"""Tables that only grow: the database itself refuses UPDATE, DELETE and TRUNCATE.

SQLite drops triggers when a migration rebuilds their table, so apps install them again after
every migrate (`post_migrate`) besides creating them in a migration.
"""

from collections.abc import Iterable

from django.db.backends.base.base import BaseDatabaseWrapper

_REFUSAL = "append-only: rows of {table} are never changed or removed"


def install_statements(vendor: str, table: str) -> list[str]:
    """The SQL that makes a table append-only; safe to run again."""
    refusal = _REFUSAL.format(table=table)
    if vendor == "sqlite":
        return [
            f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION 'append-only: rows of % are never changed or removed',"
        " TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$",
        f"DROP TRIGGER IF EXISTS {table}_no_change ON {table}",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"DROP TRIGGER IF EXISTS {table}_no_truncate ON {table}",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]


def remove_statements(vendor: str, table: str) -> list[str]:
    """The SQL that lifts the protection; for undoing a migration."""
    on_table = f" ON {table}" if vendor == "postgresql" else ""
    return [
        f"DROP TRIGGER IF EXISTS {trigger}{on_table}" for trigger in trigger_names(vendor, table)
    ]


def trigger_names(vendor: str, table: str) -> list[str]:
    """The names of the triggers that guard a table."""
    suffixes = ("no_update", "no_delete") if vendor == "sqlite" else ("no_change", "no_truncate")
    return [f"{table}_{suffix}" for suffix in suffixes]


def missing_triggers(connection: BaseDatabaseWrapper, tables: Iterable[str]) -> list[str]:
    """Which guards are not in place, by name."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute("SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D'")
        present = {name for (name,) in cursor.fetchall()}
    return [
        name
        for table in tables
        for name in trigger_names(connection.vendor, table)
        if name not in present
    ]


def install(connection: BaseDatabaseWrapper, tables: Iterable[str]) -> None:
    """Put the guards of these tables in place where one is missing."""
    tables = list(tables)
    if not missing_triggers(connection, tables):
        return
    with connection.cursor() as cursor:
        for table in tables:
            for statement in install_statements(connection.vendor, table):
                cursor.execute(statement)
