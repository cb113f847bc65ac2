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
mount --move . /
exec chroot . /bin/sh /labkit/agent
