"""Brings the tables up to date at start, with Alembic."""

from importlib import resources

from alembic import command
from alembic.config import Config

from bot.store.db import Database


def migrate(db: Database) -> None:
    """Apply every migration that the database has not had yet."""
    config = alembic_config()
    with db.engine.begin() as connection:
        if db.is_sqlite:
            connection.exec_driver_sql("BEGIN")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("bot.store").joinpath("migrations")))
    return config
