#!/bin/sh
# Started by the unit install-test in the guest: starts and stops the packaged unit, and checks the
# result.
exec >/dev/ttyS0 2>&1
echo "vm-test: begin on $(uname -r)"
(
	set -eux
	url=http://127.0.0.1:3000
	test "$(systemctl is-enabled memtap)" = disabled
	systemctl start memtap
	curl --fail --silent --retry 30 --retry-delay 1 --retry-connrefused $url/healthz
	curl --fail --silent $url/ | grep '<title>memtap'
	test "$(systemctl show --value --property User memtap)" = memtap
	pid=$(systemctl show --value --property MainPID memtap)
	test "$(ps -o user= -p "$pid")" = memtap
	curl --fail --silent $url/api/v1/health | grep --only-matching '"source":"bpf"'
	curl --fail --silent $url/api/v1/health | grep --only-matching '"user":"memtap","capabilities":\["CAP_SYS_PTRACE"\]'
	# The first reading includes processes of other users.
	curl --fail --silent --retry 30 --retry-delay 1 --retry-all-errors $url/api/v1/processes/1 | grep --only-matching '"pid":1,'
	systemctl stop memtap
	test "$(systemctl show --value --property Result memtap)" = success
	test "$(systemctl show --value --property ExecMainStatus memtap)" = 0
	test "$(stat --format %U:%a /var/lib/memtap)" = memtap:700
	test -s /var/lib/memtap/memtap.db
	# Started by root as in README, with a history that belongs to root: memtap becomes the
	# package's user and takes over the history.
	chown -R root: /var/lib/memtap
	memtap serve &
	pid=$!
	curl --fail --silent --retry 30 --retry-delay 1 --retry-connrefused $url/healthz
	curl --fail --silent $url/api/v1/health | grep --only-matching '"user":"memtap","capabilities":\["CAP_SYS_PTRACE"\]'
	kill -TERM "$pid"
	wait "$pid"
	test -z "$(find /var/lib/memtap ! -user memtap)"
)
code=$?
[ $code = 0 ] || journalctl --no-pager --unit memtap
echo "vm-test: exit code $code"
systemctl poweroff --force --force
