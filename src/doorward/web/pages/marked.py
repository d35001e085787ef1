"""What was typed: lists in one field, and what is wrong with which."""

from collections.abc import Iterable


def gather(problems: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What is wrong with each field: one text each, with a sentence in each line, so that each is translated."""
    wrong: dict[str, str] = {}
    for name, sentence in problems:
        wrong[name] = f"{wrong[name]}\n{sentence}" if name in wrong else sentence
    return wrong


def split_groups(text: str) -> list[str]:
    """Names separated by commas or lines."""
    return [name.strip() for name in text.replace("\n", ",").split(",") if name.strip()]
