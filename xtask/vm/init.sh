#!/bin/busybox sh
# First process of the guest: runs the tests, prints their exit code, and shuts down.
/bin/busybox mkdir -p /dev /proc /sys /tmp
/bin/busybox --install -s /bin
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
mount -t securityfs securityfs /sys/kernel/security
mount -t tracefs tracefs /sys/kernel/tracing
echo "vm-test: begin on $(uname -r)"
/tests --test-threads=1 --nocapture $(sed -n 's/.*memtap\.tests=\([^ ]*\).*/\1/p' /proc/cmdline)
echo "vm-test: exit code $?"
poweroff -f
