#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int main(void) {
    size_t size = 256UL << 20; /* 256 MiB */
    char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) { perror("mmap"); return 1; }
    memset(area, 1, size / 4); /* touch the first quarter */
    return 0;
}
