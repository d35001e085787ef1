"""The icon of an app: one of a few drawings of ours, an emoji or some letters, or the initial of its name."""

from markupsafe import Markup

from doorward.rules.policy import App

_MAX_LETTERS = 8

_DRAWINGS = {
    "book": "M4 5a2 2 0 0 1 2-2h14v18H6a2 2 0 0 1-2-2zm0 14a2 2 0 0 1 2-2h14",
    "calendar": "M4 6h16v14H4zM4 10h16M8 3v5M16 3v5",
    "camera": "M3 8h4l2-3h6l2 3h4v12H3zM12 17a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
    "chart": "M4 4v16h16M8 16v-4M12 16V8M16 16v-6",
    "chat": "M4 5h16v11H10l-5 4v-4H4z",
    "cloud": "M7 18a4 4 0 0 1-.5-8A6 6 0 0 1 18 9.5a4.3 4.3 0 0 1-.5 8.5z",
    "code": "m8 7-5 5 5 5M16 7l5 5-5 5M13 5l-2 14",
    "data": "M4 6c0-4 16-4 16 0v12c0 4-16 4-16 0zm0 0c0 4 16 4 16 0M4 12c0 4 16 4 16 0",
    "film": "M3 5h18v14H3zM8 5v14M16 5v14M3 12h18",
    "folder": "M3 6h7l2 3h9v11H3z",
    "gear": "M12 15.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM12 2v4m0 12v4M2 12h4m12 0h4"
    "M5 5l2.8 2.8m8.4 8.4L19 19M19 5l-2.8 2.8M7.8 16.2 5 19",
    "home": "m3 11 9-8 9 8v10h-6v-7H9v7H3z",
    "key": "M8 20a5 5 0 1 0 0-10 5 5 0 0 0 0 10zm3.5-8.5L20 3m-4 4 3 3",
    "mail": "M3 6h18v13H3zm0 1 9 7 9-7",
    "music": "M9 18V5l11-2v13M9 18a3 3 0 1 1-6 0 3 3 0 0 1 6 0zm11-2a3 3 0 1 1-6 0 3 3 0 0 1 6 0z",
    "server": "M4 4h16v7H4zm0 9h16v7H4zM8 7.5h.01M8 16.5h.01",
    "shell": "M3 5h18v14H3zm4 4 3 3-3 3m5 0h4",
}

NAMES = tuple(sorted(_DRAWINGS))
"""Names that an app's `icon` may be; anything else is shown as it is written."""


def icon_of(app: App | None, *, name: str = "") -> Markup | str:
    """What stands on the app's tile. Only the drawings are markup; every other text is escaped by the template."""
    wanted = app.icon if app else ""
    if wanted in _DRAWINGS:
        return Markup('<svg viewBox="0 0 24 24" focusable="false"><path d="{}"/></svg>').format(_DRAWINGS[wanted])
    return wanted[:_MAX_LETTERS] or (app.name if app else name).strip()[:1].upper() or "?"
