# The microVM's main: cgroup v2, the shares, and the bundle in crun, which ends as the container does.
# /labkit/command sets id, and address and gateway where there is a network; /labkit/fstab is what is mounted.
. /labkit/command
echo "$id" >/proc/sys/kernel/hostname
if [ "$address" ]; then
	ip link set lo up
	ip link set eth0 up && ip addr add "$address" dev eth0 && ip route add default via "$gateway" || exit 125
fi
mount -a -T /labkit/fstab
cd /new
# crun would copy itself and start anew each time, lest a container write to it (CVE-2019-5736). It does not where it is
# told that it is the copy, and finds that it cannot be written to; on a tmpfs, as the initramfs is, it does not look.
cp bin/crun crun
mount -o remount,ro crun
mount --move . /
exec chroot . /bin/sh /labkit/agent
