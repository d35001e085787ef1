"""Alembic's entrance: runs the migrations on the connection that `storage.sql.schema` hands over."""

from alembic import context

from doorward.storage.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # The caller's transaction covers everything, version number included.
    transactional_ddl=True,
)
context.run_migrations()
