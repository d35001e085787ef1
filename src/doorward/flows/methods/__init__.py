"""The ways of proving who one is, one file each. They do not know each other; `rules.login` orders them."""
