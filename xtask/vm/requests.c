// The requests that SystemTap must see in the guest: 300 mmap and 100 munmap calls that succeed,
// and some of each that fail. The process name contains separators. xtask/src/systemtap.rs expects
// the same numbers.
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static long map(unsigned long length)
{
	return syscall(SYS_mmap, 0, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int main(void)
{
	static long at[300];
	if (prctl(PR_SET_NAME, "a,b \"c\"\n%s", 0, 0, 0) != 0)
		return 1;
	for (int i = 0; i < 300; i++)
		if ((at[i] = map(4096 + i)) < 0)
			return 2;
	for (int i = 0; i < 100; i++)
		if (syscall(SYS_munmap, at[i], 4096 + i) != 0)
			return 3;
	for (int i = 0; i < 50; i++)
		if (map(0) >= 0 || map(1UL << 50) >= 0 || syscall(SYS_munmap, at[200] + 1, 4096) == 0)
			return 4;
	return 0;
}
