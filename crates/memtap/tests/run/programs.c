/* Programs that are difficult to trace. The first argument selects one. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096L

static void *map(long pages)
{
	return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Each thread makes 200 pairs, and leaves 3 pages mapped. */
static void *pairs(void *unused)
{
	for (int i = 0; i < 200; i++)
		munmap(map(5), 5 * PAGE);
	map(3);
	return unused;
}

static void *takes_over(void *self)
{
	execl(self, self, "last", (char *)NULL);
	return NULL;
}

static void with_threads(int count, void *(*work)(void *), void *argument)
{
	pthread_t threads[16];

	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, work, argument);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

/* A tree of forks without exec, two children per process. Each child maps memory of its own. */
static void forks(int depth)
{
	for (int i = 0; i < 2 && depth > 0; i++) {
		if (fork() == 0) {
			map(depth);
			forks(depth - 1);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
}

static int deep(int levels)
{
	volatile char room[8192];

	memset((void *)room, levels, sizeof(room));
	return levels == 0 ? room[0] : deep(levels - 1) + room[1];
}

int main(int count, char **words)
{
	const char *what = count > 1 ? words[1] : "";
	const char *last = count > 2 ? words[2] : "0";

	if (!strcmp(what, "threads")) {
		with_threads(atoi(last), pairs, NULL);
	} else if (!strcmp(what, "forks")) {
		forks(atoi(last));
	} else if (!strcmp(what, "vfork")) {
		if (vfork() == 0) {
			/* The mapping is made in the parent's memory and stays there. */
			map(11);
			execl(words[0], words[0], "last", (char *)NULL);
			_exit(1);
		}
		wait(NULL);
	} else if (!strcmp(what, "exec-from-thread")) {
		with_threads(1, takes_over, words[0]);
		return 1;
	} else if (!strcmp(what, "first-thread-goes")) {
		pthread_t thread;

		pthread_create(&thread, NULL, pairs, NULL);
		pthread_exit(NULL);
	} else if (!strcmp(what, "last")) {
		map(123);
		return 7;
	} else if (!strcmp(what, "stack")) {
		return deep(200) == 12345;
	} else if (!strcmp(what, "named")) {
		prctl(PR_SET_NAME, "other name");
		map(31);
	} else if (!strcmp(what, "raise")) {
		raise(atoi(last));
		return 9;
	} else if (!strcmp(what, "untraced")) {
		int status = 0;

		/* With the filter but without a tracer, the child's mmap would fail with ENOSYS. */
		if (syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, NULL, NULL, NULL, NULL) == 0)
			_exit(map(17) == MAP_FAILED);
		wait(&status);
		return WEXITSTATUS(status);
	} else if (!strcmp(what, "untraced-3")) {
		/* struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls */
		unsigned long long words[8] = { CLONE_UNTRACED, 0, 0, 0, SIGCHLD };
		int status = 0;

		if (syscall(SYS_clone3, words, sizeof(words)) == 0)
			_exit(map(17) == MAP_FAILED);
		wait(&status);
		return WEXITSTATUS(status);
	} else if (!strcmp(what, "for-ever")) {
		puts("ready");
		fflush(stdout);
		for (;;)
			munmap(map(2), 2 * PAGE);
	}
	return 0;
}
