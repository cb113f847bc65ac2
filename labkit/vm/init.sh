#!/bin/busybox sh
# Process 1 of a guest, in its initramfs: loads modules, runs /labkit/main with the host's streams, and powers off.
# Ports (virtio-console) 1 to 4 are stdin, stdout, stderr and control.  What is said on control, a line each:
#   guest: up, status N       host: start, off
# While main runs control is its descriptor 8, on which it and the host may say more.
# /labkit/mark is a word that ends stdout and stderr: the host then has all that was written.
export PATH=/bin
# Each program takes its time where the processor is emulated: what one can do is not left to two.
mount -a -T /labkit/init.fstab
while read -r module; do insmod "/labkit/modules/$module"; done </labkit/modules.order

# The number of the device is what the kernel has counted it as.
until for control in /dev/vport*p4; do :; done; [ -c "$control" ]; do sleep 0.005; done
port=${control%4}
# There is a moment in which the device is there, and cannot be opened (ENXIO).
until command exec 8<>"$control"; do sleep 0.005; done 2>/dev/null
# A port that the kernel does not yet know to be connected reads as ended.  Control is the last: the others are then too.
until read -r word <&8; do sleep 0.005; done
echo up >&8

cd /labkit
cat stdout mark >"${port}2" &
out=$!
cat stderr mark >"${port}3" &
err=$!
# Opened before a relay that may end at once: its SIGCHLD would interrupt an open(2) that waits for the other end.
exec 5>stdout 6>stderr
cat "${port}1" >stdin 2>/dev/null 5>&- 6>&- &
setsid sh /labkit/main <stdin >&5 2>&6 5>&- 6>&-
status=$?
exec 5>&- 6>&-
echo "status $status" >&8

# What it left running still holds the streams; a second round for what was forked during the first.
for round in 1 2; do
	for process in /proc/[0-9]*; do
		case "${process#/proc/}" in 1 | "$out" | "$err") ;; *) kill -9 "${process#/proc/}" 2>/dev/null ;; esac
	done
done
wait $out $err
read -r word <&8
poweroff -f
