"""Run by Alembic on the connection, and inside the transaction, that `upgrade.migrate` hands over."""

from alembic import context

from desktop_app.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
