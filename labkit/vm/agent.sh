# Runs the container in a guest, and does with it what the host asks for, a line each on control (descriptor 8):
#   signal N      to the container's first process
#   start         lets one that was made to be held run its program; when it waits the guest says `created`
#   exec MARK TEXT   one more process in the container, as the base64 of process.json has it; its stdin, stdout and stderr
#                 are ports 5, 6 and 7. The host opens stdin with a line, MARK ends the others, and the status is said
#                 on port 8.
#   end           kills that process
# A container that is held waits in a hook, /labkit/hold.
. /labkit/command
# See container.sh.
export _LIBCONTAINER_CLONED_BINARY=1
crun="/crun/crun --root /run/crun --cgroup-manager cgroupfs"
for port in /dev/vport*p4; do port=${port%4}; done
# Opened once: the kernel lets nobody open a port that something in the container still holds.
exec 5<>"${port}5" 6<>"${port}6" 7<>"${port}7" 9<>"${port}8"

execute() { # MARK TEXT
	echo "$2" | base64 -d >/run/exec.json
	until read -r word <&5; do sleep 0.005; done
	cat <&5 >/run/exec.in 2>/dev/null &
	feeder=$!
	$crun exec --process /run/exec.json --pid-file /run/exec.pid "$id" </run/exec.in >&6 2>&7 5>&- 8>&- 9>&-
	status=$?
	rm -f /run/exec.pid
	kill $feeder
	echo -n "$1" >&6
	echo -n "$1" >&7
	echo "$status" >&9
}

there() { # What is asked before the container runs is done when it does.
	until case "$($crun state "$id" 2>/dev/null)" in *'"running"'*) ;; *) false ;; esac; do sleep 0.02; done
}

listen() {
	while read -r word one two; do
		case $word in
			start) echo >/run/held ;;
			signal) there && $crun kill "$id" "$one" ;;
			exec) there && execute "$one" "$two" & ;;
			end) read -r pid </run/exec.pid && kill -9 "$pid" ;;
		esac
	done
}

{ read -r word </run/created && echo created >&8; } &
listen <&8 >/dev/null 2>&1 &
agent=$!
$crun run --bundle /labkit/bundle "$id" 5>&- 6>&- 7>&- 8>&- 9>&-
status=$?
# Of the control port init reads the next line.
kill -9 $agent
exit $status
