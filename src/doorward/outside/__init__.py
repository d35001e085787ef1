"""The world beyond the database: clock, randomness, key files, password hashing, the log, providers, mail, passkeys.

Owns every call that reads the clock, draws randomness, reads the environment, burns CPU off the event loop or goes
elsewhere over the network, and the libraries that read passkeys and draw QR codes. Must not decide anything (that is
`rules`), know configuration, or be imported by anybody but `app`.
"""
