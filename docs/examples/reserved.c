#include <stdio.h>
#include <sys/mman.h>

int main(void) {
    size_t size = 1UL << 30; /* 1 GiB */
    char *area = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) { perror("mmap"); return 1; }
    mprotect(area, 4096, PROT_READ | PROT_WRITE); /* commit one page ... */
    area[0] = 1;                                  /* ... and use it */
    return 0;
}
