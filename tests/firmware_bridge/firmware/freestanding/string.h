/* All that a microcontroller without a C library must bring: what else the header used would not compile. */
#include <stddef.h>
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
