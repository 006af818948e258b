#!/bin/busybox sh
# The first process of the guest: lets SystemTap watch a program, writes what it printed to the second serial port, and switches off.
/bin/busybox mkdir -p /dev /proc /sys /tmp
/bin/busybox --install -s /bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
mount -t debugfs debugfs /sys/kernel/debug
echo "vm-test: begin on $(uname -r)"
staprun -vv /memtap_stp.ko > /tmp/lines 2> /tmp/told &
staprun=$!
# The kernel has its probes a moment before they count.
tries=0
until grep -q 'systemtap_module_init() returned 0' /tmp/told || [ $tries = 60 ]; do
	sleep 1
	tries=$((tries + 1))
done
[ $tries = 60 ] && cat /tmp/told
/requests
code=$?
# What it has in its buffers comes when it ends.
kill -INT $staprun
wait $staprun || code=1
grep -E '^(WARNING|ERROR)' /tmp/told
stty -F /dev/ttyS1 raw -echo
cat /tmp/lines > /dev/ttyS1
echo "vm-test: $(wc -l < /tmp/lines) lines"
echo "vm-test: exit code $code"
poweroff -f
