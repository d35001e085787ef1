"""The world beyond the database: clock, randomness, key files, password hashing, the log.

Owns every call that reads the clock, draws randomness, reads the environment or burns CPU off the event loop. Must not
decide anything (that is `rules`), know configuration, or be imported by anybody but `app`.
"""
