"""Rows in which every column that may hold something sealed does."""

import sqlite3
from contextlib import closing

from sqlalchemy import Boolean, LargeBinary, Text

from doorward.rules.envelope import Place
from doorward.storage.sql.rows import decode_state, encode_state
from doorward.storage.sql.sealed import SEALED


def fill(path, seal, *, rows=3):
    """Add rows with a sealed value in every place; what was sealed, by place."""
    told = {}
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in {column.column.table for column in SEALED.values()}:
            own = [column for column in SEALED.values() if column.column.table is table]
            for number in range(rows):
                row = {column.name: _plain(column, 1000 + number) for column in table.columns}
                for column in own:
                    place = place_of(column, row[column.row.name])
                    told[place] = f"{place.table} {place.column} {number}".encode()
                    value = seal(place, told[place])
                    if column.member:
                        members = decode_state(row["state"]) if row["state"].startswith("{") else {"other": "x"}
                        value = encode_state({**members, column.member: value})
                    row[column.column.name] = value
                names = ", ".join(f'"{name}"' for name in row)
                holes = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table.name} ({names}) VALUES ({holes})", list(row.values()))
    return told


def place_of(column, name):
    table, _, member = column.name.partition(".")
    return Place(table, member, name.hex() if isinstance(name, bytes) else str(name))


def read(path):
    """Every sealed value, by place."""
    found = {}
    with closing(sqlite3.connect(path)) as connection:
        for column in SEALED.values():
            query = f'SELECT "{column.row.name}", "{column.column.name}" FROM {column.column.table.name}'
            for name, content in connection.execute(query):
                value = decode_state(content).get(column.member, "") if column.member else content
                if value:
                    found[place_of(column, name)] = value
    return found


def _plain(column, number):
    if isinstance(column.type, Text):
        return f"{column.name} {number}"
    if isinstance(column.type, LargeBinary):
        return f"{column.table.name} {number}".encode().ljust(32, b"-")
    return number % 2 if isinstance(column.type, Boolean) else number
