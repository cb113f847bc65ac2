# The microVM's main: cgroup v2, the shares, and the bundle in crun, which ends as the container does.
# /labkit/command sets id, tags (of the shares), layer (where a root that is only read is to be seen), and address and
# gateway where there is a network.
. /labkit/command
hostname "$id"
ip link set lo up
if [ "$address" ]; then
	ip link set eth0 up && ip addr add "$address" dev eth0 && ip route add default via "$gateway" || exit 125
fi
# A mount of its own, since pivot_root(2) does not leave the initramfs itself.
mkdir /new
mount -o bind / /new
cd /new
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o nosuid,nodev,noexec sysfs sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mount -t devtmpfs devtmpfs dev
for tag in $tags; do
	mkdir -p "shared/$tag"
	mount -t virtiofs "$tag" "shared/$tag"
done
if [ "$layer" ]; then
	# Where places for the container's mounts are missing they are made, in memory: the share is read-only.
	mkdir -p "shared/$layer"
	mount -t tmpfs -o mode=755 tmpfs "shared/$layer"
	mkdir "shared/$layer/upper" "shared/$layer/work" "shared/$layer/root"
	cd "shared/$layer"
	mount -t overlay -o lowerdir=../rootfs,upperdir=upper,workdir=work overlay root
	cd /new
fi
mount --move . /
exec chroot . /bin/sh /labkit/agent
