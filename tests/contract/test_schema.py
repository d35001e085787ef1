"""The migrations build what the queries ask for, once, whole, and never on what a newer version wrote."""

import sqlite3
import sys
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, create_engine, inspect

from doorward.errors import ConfigError, UnavailableError
from doorward.storage.sql import schema
from doorward.storage.sql.tables import metadata
from doorward.storage.sqlite import open_sqlite
from tests.contract.durable import run_python
from tests.fakes.neighbours import FakeKeyring
from tests.fakes.system import FakeRandom


@pytest.fixture
def path(tmp_path):
    return tmp_path / "doorward.db"


def test_the_head_is_the_newest_migration():
    scripts = ScriptDirectory.from_config(schema.alembic_config())
    assert scripts.get_heads() == [schema.HEAD]
    assert {each.revision for each in scripts.walk_revisions()} == schema._KNOWN


@pytest.mark.parametrize("build", [schema.upgrade, schema._migrate], ids=["at once", "by the migrations"])
def test_the_migrations_build_exactly_the_tables_of_the_queries(path, build):
    build(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        found = inspect(connection)
        for table in metadata.tables.values():
            wanted = {str(each.sqltext) for each in table.constraints if isinstance(each, CheckConstraint)}
            assert {each["sqltext"] for each in found.get_check_constraints(table.name)} == wanted
            for key in found.get_foreign_keys(table.name):
                assert key["options"] == {"ondelete": "CASCADE"}
        (unique,) = [each for each in found.get_indexes("users") if each["name"] == "ix_users_email"]
        assert unique["unique"]
        assert str(unique["dialect_options"]["sqlite_where"]) == "email != ''"
    engine.dispose()


def test_a_first_start_and_all_migrations_leave_the_same_database(path):
    """Rows included: counters at zero, the same version."""
    other = path.with_name("migrated.db")
    schema.upgrade(path)
    schema._migrate(other)
    left = []
    for each in (path, other):
        with closing(sqlite3.connect(each)) as connection:
            names = sorted(row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
            columns = {name: connection.execute(f"PRAGMA table_xinfo({name})").fetchall() for name in names}
            indexes = {
                name: sorted(row[1:] for row in connection.execute(f"PRAGMA index_list({name})")) for name in names
            }
            clustered = connection.execute("SELECT name, sql LIKE '%WITHOUT ROWID%' FROM sqlite_master").fetchall()
            rows = {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall()) for name in names}
            left.append((columns, indexes, sorted(clustered), rows))
    assert left[0] == left[1]


def test_upgrading_twice_changes_nothing(path):
    schema.upgrade(path)
    before = path.read_bytes()
    schema.upgrade(path)
    assert path.read_bytes() == before


def test_a_schema_of_a_newer_version_is_refused(path):
    """Q11."""
    schema.upgrade(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match="newer Doorward"):
        schema.upgrade(path)


def test_an_interrupted_migration_leaves_nothing(path):
    """Q11: the schema's changes are one transaction."""
    with closing(sqlite3.connect(path)) as connection:
        # In the way of the last table, so that the migration fails near its end.
        connection.execute("CREATE TABLE sessions (x)")
    with pytest.raises(UnavailableError, match="cannot be migrated"):
        schema.upgrade(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("sessions",)]
        connection.execute("DROP TABLE sessions")
    schema.upgrade(path)


@pytest.mark.parametrize("first", [True, False], ids=["first start", "later start"])
async def test_a_current_schema_needs_no_alembic(tmp_path, first):
    """Starts stay quick and small, the first one included."""
    if not first:
        await open_sqlite(tmp_path / "data", random=FakeRandom(), keyring=FakeKeyring()).close()
    told = run_python(
        "import sys; from pathlib import Path; from doorward.storage.sqlite import open_sqlite;"
        "from doorward.outside.system import SystemRandom; from doorward.outside.keyring import FileKeyring;"
        "keyring = FileKeyring([bytes(range(32))], SystemRandom());"
        "open_sqlite(Path(sys.argv[1]), random=SystemRandom(), keyring=keyring);"
        "print('alembic' in sys.modules, 'argon2' in sys.modules)",
        tmp_path / "data",
    )
    assert told == "False False\n"
    assert "alembic" in sys.modules


def test_a_file_that_is_no_database_is_not_migrated(path):
    path.write_bytes(b"not a database, " * 1000)
    with pytest.raises(UnavailableError, match="not a database"):
        schema.upgrade(path)
    assert path.read_bytes() == b"not a database, " * 1000
