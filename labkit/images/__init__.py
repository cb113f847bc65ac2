"""Root filesystems: `image("debian+fio")` builds one on this machine, with no registry, or finds it built.

busybox                   one static program, under all its names
debian                    Debian minbase of the host's suite (elsewhere bookworm), with procps and iproute2
debian:trixie             the same of another suite
debian+redis-server+fio   with further packages
docker://HOST/NAME:TAG    one that others have made, fetched by skopeo: see `foreign`

Finding a built image is on the path of every `labkit run --image`, so that this, `image`, `reference` and `key`
import nothing but os; the modules that build are imported when there is something to build.
"""

from labkit.images.image import Image, image

__all__ = ["Image", "image"]
