"""HTML for people. Owns what they read and which form leads where; decides nothing and remembers nothing.

Every page works without JavaScript, loads nothing from elsewhere, and takes its colours from `static/tokens.css`. A
page file has one class whose methods are the requests it answers; what they share is `desk`. Must not import
`storage`, `outside`, `config` or `app`.
"""
