"""Root filesystems built on this machine, with no registry: `image("debian+fio")` builds one, or finds it built.

busybox                   one static program, installed under all its names
debian                    Debian minbase of the host's suite (elsewhere bookworm), with procps and iproute2
debian:trixie             the same of another suite
debian+redis-server+fio   with further packages
"""

from labkit.images.image import Image, image

__all__ = ["Image", "image"]
