#include <stdio.h>
#include <sys/mman.h>

int main(void) {
    size_t size = 1UL << 50; /* 1 PiB: larger than the address space */
    void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) perror("mmap");
    return 0;
}
