"""What a User-Agent tells a person: "Firefox on Linux". A guess for the eye; nothing is decided by it."""

from dataclasses import dataclass

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi", "Vivaldi"),
    ("SamsungBrowser", "Samsung Internet"),
    ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"),
    ("CriOS", "Chrome"),
    ("HeadlessChrome", "Chrome"),
    ("Chromium", "Chromium"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
    ("Wget", "Wget"),
    ("python", "a Python program"),
    ("okhttp", "an Android app"),
    ("Dart", "an app"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
)
_MAX_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Device:
    """A browser, or whatever else it is, and the system it runs on, "" where only one of the two is known."""

    browser: str
    system: str = ""


def name_device(user_agent: str) -> Device:
    """Words for a User-Agent; the start of it where we know no better."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if browser and system:
        return Device(browser, system)
    return Device(browser or system or user_agent[:_MAX_SHOWN] or "A browser that does not say what it is")
