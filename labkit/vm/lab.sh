# The lab VM's main: the host's files under a writable overlay, cgroups, and the command in it.
# /labkit/command sets cwd, modules, net, cgroups (v1, v2, hybrid), whole (root on the host) and the command's words.
exec 8>&-
. /labkit/command
hostname labkit-vm
ip link set lo up
mkdir /lower /rw /new
mount -t virtiofs -o ro host /lower
mount -t tmpfs -o mode=755 tmpfs /rw
layer() { # FOLDER NAME: what the host has in FOLDER, with changes kept in memory
	mkdir -p "/rw/$2/upper" "/rw/$2/work"
	mount -t overlay -o "lowerdir=/lower$1,upperdir=/rw/$2/upper,workdir=/rw/$2/work" overlay "/new$1"
}
if [ "$whole" ]; then
	layer "" root
else
	# An overlay opens files with O_NOATIME, which an ordinary user's virtiofsd may do with the user's own alone.
	mount -o bind /lower /new
	layer /tmp tmp
	case "$cwd/" in /tmp/*) ;; *) layer "$cwd" cwd ;; esac
	mount -t tmpfs -o mode=700 tmpfs /new/root
fi
cd /new
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o nosuid,nodev,noexec sysfs sys
if [ "$cgroups" = v2 ]; then
	mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
else
	# A tree for each controller.
	mount -t tmpfs -o nosuid,nodev,noexec,mode=755 tmpfs sys/fs/cgroup
	while read -r controller hierarchy number enabled; do
		[ "$enabled" = 1 ] || continue
		mkdir "sys/fs/cgroup/$controller"
		mount -t cgroup -o "nosuid,nodev,noexec,$controller" cgroup "sys/fs/cgroup/$controller"
	done <proc/cgroups
	if [ "$cgroups" = hybrid ]; then
		mkdir sys/fs/cgroup/unified
		mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup/unified
	fi
fi
mount -t devtmpfs devtmpfs dev
mkdir -p dev/pts dev/shm dev/mqueue
mount -t devpts -o nosuid,noexec,ptmxmode=666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o nosuid,nodev tmpfs dev/shm
mount -t mqueue mqueue dev/mqueue
# As udev makes them.
ln -s /proc/self/fd dev/fd
for number in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${number%:*}" "dev/${number#*:}"; done
# What the host has there is about the host's processes.
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs run
mkdir -m 1777 run/lock
if [ "$modules" ]; then
	# For what is first used the kernel calls modprobe, and finds it in the initramfs, whose root is its own.
	mkdir -p /etc /lib/modules /sbin
	ln -s "/lower$modules" /lib/modules/
	ln -s /bin/busybox /sbin/modprobe
	# As on a host with udev: a guest can have guests of its own, and talk with them.
	mkdir -p dev/net
	for node in "kvm 232" "vhost-vsock 241" "net/tun 200"; do mknod "dev/${node% *}" c 10 "${node#* }"; done
	case " $(grep -m 1 ^flags proc/cpuinfo) " in *" svm "*) kvm=kvm_amd ;; *) kvm=kvm_intel ;; esac
	echo "alias char-major-10-232 $kvm" >/etc/modprobe.conf
	if [ "$whole" ]; then
		mkdir -p "lib/modules/${modules##*/}"
		mount -o bind "/lower$modules" "lib/modules/${modules##*/}"
		[ -e sbin/modprobe ] || ln -s /bin/busybox sbin/modprobe
	fi
fi
if [ "$net" ]; then
	# QEMU's user-mode network is always the same.
	ip link set eth0 up
	ip addr add 10.0.2.15/24 dev eth0
	ip route add default via 10.0.2.2
	echo nameserver 10.0.2.3 >/rw/resolv.conf
	mount -o bind /rw/resolv.conf etc/resolv.conf
fi
# As switch_root(8) does: in a mere chroot nobody may make a user namespace.
mount --move . /
exec chroot . /bin/sh -c '
cd "$1" 2>/dev/null || cd /
shift
command -v -- "$1" >/dev/null || { echo "labkit: $1: not found in the VM" >&2; exit 127; }
exec "$@"' sh "$cwd" "$@"
