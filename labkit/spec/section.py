"""How a JSON object becomes a slotted class: each class lists its properties with the function that checks each.

A check takes (value, pointer) and returns the value to keep; it raises SpecError with the JSON pointer (RFC 6901) of
the place. Properties that a class does not list are ignored, as the specification asks (config.md, Extensibility);
those it lists as `refused` are known and cannot be honoured, which is an error and never silence.
"""

from __future__ import annotations

from labkit.errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, Self

    Check = Callable[[Any, str], Any]


# What a class says in REFUSED of a property that a later version may honour.
LATER = "is not supported by this version of labkit"


class Section:
    """One JSON object; subclasses give PROPERTIES: attribute -> (JSON name, check, default)."""

    __slots__ = ()
    PROPERTIES: ClassVar[dict[str, tuple[str, Check, Any]]] = {}
    REQUIRED: ClassVar[tuple[str, ...]] = ()
    REFUSED: ClassVar[dict[str, str]] = {}
    # The properties, each with whether every object needs a default of its own.
    _fields: ClassVar[tuple[tuple[str, str, Check, Any, bool], ...]] = ()

    def __init_subclass__(cls) -> None:
        cls._fields = tuple(
            # Sections and maps are mutable: two objects must not share one default.
            (attribute, name, check, default, isinstance(default, Section | dict))
            for attribute, (name, check, default) in cls.PROPERTIES.items()
        )

    def __init__(self, **values: Any) -> None:
        for attribute, _, _, default, mutable in self._fields:
            if attribute in values:
                default = values.pop(attribute)
            elif mutable:
                default = type(default)()
            setattr(self, attribute, default)
        if values:
            raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")

    @classmethod
    def load(cls, value: Any, pointer: str) -> Self:
        """Check a decoded JSON object and take it over."""
        if not isinstance(value, dict):
            raise SpecError(pointer or "/", f"must be an object, not {kind(value)}")
        for name, reason in cls.REFUSED.items():
            if value.get(name):
                raise SpecError(f"{pointer}/{name}", reason)
        section = cls.__new__(cls)
        for attribute, name, check, default, mutable in cls._fields:
            found = value.get(name)
            if found is not None:
                default = check(found, f"{pointer}/{name}")
            elif name in cls.REQUIRED:
                raise SpecError(f"{pointer}/{name}", "is required and missing")
            elif mutable:
                default = type(default)()
            setattr(section, attribute, default)
        return section

    def dump(self) -> dict[str, Any]:
        """The JSON object again, without properties that stand at their default."""
        result = {}
        for attribute, (name, _, default) in self.PROPERTIES.items():
            value = getattr(self, attribute)
            if name in self.REQUIRED or value != default:
                result[name] = _plain(value)
        return result

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(getattr(self, a) == getattr(other, a) for a in self.PROPERTIES)

    __hash__ = None  # type: ignore[assignment]  # a section is mutable

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dump()!r})"


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.dump()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def kind(value: object) -> str:
    """The JSON name of a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    return "a string" if isinstance(value, str) else "an array" if isinstance(value, list) else "an object"


def text(value: Any, pointer: str) -> str:
    """A string without the NUL character, which no system call can carry."""
    if not isinstance(value, str):
        raise SpecError(pointer, f"must be a string, not {kind(value)}")
    if "\0" in value:
        raise SpecError(pointer, "must not contain a NUL character")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            # json lets "\\ud800" through, which is no character and has no bytes.
            raise SpecError(pointer, "must not contain half of a surrogate pair") from None
    return value


def absolute(value: Any, pointer: str) -> str:
    """An absolute path."""
    path = text(value, pointer)
    if not path.startswith("/"):
        raise SpecError(pointer, f"must be an absolute path, not {path!r}")
    return path


def boolean(value: Any, pointer: str) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise SpecError(pointer, f"must be true or false, not {kind(value)}")
    return value


def integer(low: int, high: int) -> Check:
    """A check for a whole number of low … high."""

    def check(value: Any, pointer: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise SpecError(pointer, f"must be a whole number, not {kind(value)}")
        if not low <= value <= high:
            raise SpecError(pointer, f"must be between {low} and {high}, not {value}")
        return value

    return check


UINT32 = integer(0, 2**32 - 1)
INT64 = integer(-(2**63), 2**63 - 1)
UINT64 = integer(0, 2**64 - 1)


def one_of(choices: tuple[str, ...]) -> Check:
    """A check for one of some strings."""

    def check(value: Any, pointer: str) -> str:
        if value not in choices and text(value, pointer) not in choices:
            from labkit.spec.near import did_you_mean

            words = f"must be one of {', '.join(choices)}; not {value!r}"
            raise SpecError(pointer, words, did_you_mean(value, choices))
        return str(value)

    return check


def array(check: Check) -> Check:
    """A check for an array whose items pass `check`; the result is a tuple."""

    def check_all(value: Any, pointer: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise SpecError(pointer, f"must be an array, not {kind(value)}")
        if check is text and _plain_texts(value):
            return tuple(value)
        return tuple([check(item, f"{pointer}/{index}") for index, item in enumerate(value)])

    return check_all


def _plain_texts(values: list[Any]) -> bool:
    """Whether all are strings that pass `text`, told at once: a filter names hundreds of system calls."""
    try:
        joined = "".join(values)
    except TypeError:
        return False
    return joined.isascii() and "\0" not in joined


def string_map(value: Any, pointer: str) -> dict[str, str]:
    """An object whose values are all strings."""
    if not isinstance(value, dict):
        raise SpecError(pointer, f"must be an object, not {kind(value)}")
    return {text(key, pointer): text(item, f"{pointer}/{escape(key)}") for key, item in value.items()}


def escape(key: str) -> str:
    """A key as a reference token of a JSON pointer (RFC 6901, section 3), with what cannot be printed as in Python."""
    token = key.replace("~", "~0").replace("/", "~1")
    return token if token.isprintable() else repr(token)[1:-1]
