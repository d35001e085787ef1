"""The doors for proxies (`gate`), people (`pages`) and machines (`api`), and what they share.

Must not import `storage`, `outside`, `config` or `app`: everything from there is handed in.
"""
