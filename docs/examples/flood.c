#include <stddef.h>
#include <sys/mman.h>

int main(void) {
    for (int i = 0; i < 1000000; i++) {
        void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        munmap(page, 4096);
    }
    return 0;
}
