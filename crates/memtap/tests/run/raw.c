/*
 * A program without a C library. It makes only the calls below, so that a test can check memtap's
 * counts exactly. Built for 64-bit and, with -m32, for 32-bit callers.
 */
#ifdef __i386__
enum { MMAP = 192, MUNMAP = 91, MREMAP = 163, BRK = 45, MPROTECT = 125, GETPPID = 64, EXIT = 252 };

static long call(long number, long a, long b, long c, long d, long e)
{
	long answer;

	__asm__ volatile("int $0x80" : "=a"(answer) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
	return answer;
}
#else
enum { MMAP = 9, MUNMAP = 11, MREMAP = 25, BRK = 12, MPROTECT = 10, GETPPID = 110, EXIT = 231 };

static long call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = 0;
	long answer;

	__asm__ volatile("syscall"
			 : "=a"(answer)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return answer;
}
#endif

#define PAGE 4096L

void _start(void)
{
	long stays = call(MMAP, 0, 77 * PAGE - 5, 3, 0x22, -1);
	long moves = call(MMAP, 0, 10 * PAGE, 3, 0x22, -1);
	long end = call(BRK, 0, 0, 0, 0, 0);

	call(MREMAP, moves, 10 * PAGE, 300 * PAGE, 1, 0);
	call(MPROTECT, stays, PAGE, 1, 0, 0);
	call(BRK, end + 9 * PAGE, 0, 0, 0, 0);
	call(BRK, end + 4 * PAGE, 0, 0, 0, 0);
	/* The whole address space except one page. */
	call(MMAP, 0, -PAGE, 3, 0x22, -1);
	for (int i = 0; i < 100; i++) {
		long pair = call(MMAP, 0, 16 * PAGE, 3, 0x22, -1);

		call(GETPPID, 0, 0, 0, 0, 0);
		call(MUNMAP, pair, 16 * PAGE, 0, 0, 0);
	}
	call(EXIT, 42, 0, 0, 0, 0);
	for (;;)
		;
}
