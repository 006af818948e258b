#!/bin/busybox sh
# First process of the guest: watches a program with SystemTap, writes the output to the second
# serial port, and shuts down.
/bin/busybox mkdir -p /dev /proc /sys /tmp
/bin/busybox --install -s /bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
mount -t debugfs debugfs /sys/kernel/debug
echo "vm-test: begin on $(uname -r)"
staprun -vv /memtap_stp.ko > /tmp/lines 2> /tmp/messages &
staprun=$!
# The probes are active a moment before they count.
tries=0
until grep -q 'systemtap_module_init() returned 0' /tmp/messages || [ $tries = 60 ]; do
	sleep 1
	tries=$((tries + 1))
done
[ $tries = 60 ] && cat /tmp/messages
/requests
code=$?
# staprun flushes its buffers when it ends.
kill -INT $staprun
wait $staprun || code=1
grep -E '^(WARNING|ERROR)' /tmp/messages
stty -F /dev/ttyS1 raw -echo
cat /tmp/lines > /dev/ttyS1
echo "vm-test: $(wc -l < /tmp/lines) lines"
echo "vm-test: exit code $code"
poweroff -f
