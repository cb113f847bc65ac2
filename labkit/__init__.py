"""labkit: a laboratory for OS-level virtualization.

The package imports nothing until it is asked (not even `typing`, which costs 5 ms), so that the command line
starts fast.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.engine.container import Container as Container

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "Container":
        from labkit.engine.container import Container

        return Container
    raise AttributeError(f"module 'labkit' has no attribute {name!r}")
