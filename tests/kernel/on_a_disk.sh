#!/bin/sh
# on_a_disk.sh COMMAND …: in the lab VM, run COMMAND with temporary files on ext4, as hosts have them.
# Those on the VM's root are on an overlay, which can neither be an overlay's upper layer nor have idmapped mounts.
set -eu
truncate -s 1G /run/disk
mkfs.ext4 -q /run/disk
mkdir /run/tmp
modprobe loop
mount -o loop /run/disk /run/tmp
chmod 1777 /run/tmp
export TMPDIR=/run/tmp
exec "$@"
