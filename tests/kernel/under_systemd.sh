#!/bin/sh
# under_systemd.sh COMMAND …: on cgroup v2, run COMMAND as a service of a systemd of its own, and end with its status.
# That systemd is process 1 of a pid namespace, and a cgroup is the root of its tree, as in a container; it has a system
# bus, and starts nothing else. Where one runs already, COMMAND is just run.
set -eu

# In the order in which they come, each by the one before: outside, process 1, and in the cgroup namespace.
case "${stage:-outside}" in
outside)
	[ ! -d /run/systemd/system ] || exec "$@"
	tree=/sys/fs/cgroup
	export cgroup="$tree/labkit-systemd-$$" output=$(mktemp)
	mkdir "$cgroup"
	for controller in $(cat "$tree/cgroup.controllers"); do echo "+$controller" >"$tree/cgroup.subtree_control"; done
	status=0
	stage=process-1 unshare --pid --uts --mount --propagation private --fork --kill-child "$0" "$@" || status=$?
	cat "$output"
	rm "$output"
	find "$cgroup" -depth -type d -exec rmdir {} +
	exit "$status"
	;;
process-1)
	mount -t proc proc /proc
	mkdir -p /run/systemd /run/dbus
	mount -t tmpfs -o mode=755 tmpfs /run/systemd
	mount -t tmpfs -o mode=755 tmpfs /run/dbus
	mkdir /run/systemd/system
	cd /run/systemd/system
	cat >dbus.socket <<-END
		[Unit]
		DefaultDependencies=no
		[Socket]
		ListenStream=/run/dbus/system_bus_socket
	END
	cat >dbus.service <<-END
		[Unit]
		DefaultDependencies=no
		Requires=dbus.socket
		[Service]
		Type=notify
		ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation
	END
	cat >command.service <<-END
		[Unit]
		DefaultDependencies=no
		Requires=dbus.service
		After=dbus.service
		SuccessAction=exit
		FailureAction=exit
		[Service]
		Type=oneshot
		WorkingDirectory=$OLDPWD
		ExecStart=/bin/sh -c '. /run/systemd/environment; exec "\$\$@"' sh $(printf ' "%s"' "$@")
		StandardOutput=append:$output
		StandardError=inherit
	END
	export -p >/run/systemd/environment
	echo 0 >"$cgroup/cgroup.procs"
	cd "$OLDPWD"
	stage=in-its-tree exec unshare --cgroup --mount "$0"
	;;
in-its-tree)
	# A filesystem is not mounted twice in one place.
	umount --lazy /sys/fs/cgroup
	mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
	exec env container=labkit /lib/systemd/systemd --system --unit=command.service --show-status=no \
		--log-target=null
	;;
esac
