"""What the SQL backends share: one schema, one set of queries, one way of mapping errors.

Must not know which database is in use; what only SQLite needs stands in `storage.sqlite`.
"""
