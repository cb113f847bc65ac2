"""What somebody may have meant: the hint of an error about a word that is not known."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """`did you mean openat, or openat2?`, or `otherwise` where nothing known looks like `word`."""
    # Imported here: only an error needs it.
    from difflib import get_close_matches

    lower = {name.lower(): name for name in known}
    found = [lower[name] for name in get_close_matches(word.lower(), lower, n=3, cutoff=0.7)]
    return f"did you mean {', or '.join(found)}?" if found else otherwise
