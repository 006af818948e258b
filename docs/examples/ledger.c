#include <stdio.h>
#include <sys/mman.h>

int main(void) {
    size_t mib = 1UL << 20;
    char *area = mmap(NULL, 64 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) { perror("mmap"); return 1; }
    munmap(area + 32 * mib, 32 * mib); /* releases 32 MiB */
    munmap(area + 32 * mib, 32 * mib); /* succeeds, and releases nothing */
    return 0;
}
