/* A board of pipes for example_main.c: stdin says what happens, stdout is the UART. Host only, for the tests.
 *
 * Events on stdin: 'b' u16 n, n bytes arrive from the host; 'h' DMA fills half a buffer; 'o' DMA fills two halves at
 * once (the loop was too slow); 'r' u16 n is the room of the transmit FIFO from now on. Each ends a sleep. Sample v
 * since the start has the value v modulo 65536 in axis 0, its complement in axis 1, zero in axis 2.
 */
#include <stdio.h>
#include <stdlib.h>

#include "example_board.h"

#define START_TICK 0xFFFFF000u

static int16_t *buffer;
static size_t half_values;
static uint32_t halves;
static uint16_t sample_value;
static size_t room = 65535;
static uint8_t arrived[65536];
static size_t n_arrived, n_read;

void board_start(void) {}

uint32_t board_start_sampling(int16_t *samples, size_t n_half, uint32_t tick_rate_hz, uint32_t ticks_per_sample) {
    if (tick_rate_hz != 25600u * ticks_per_sample) exit(6);
    buffer = samples;
    half_values = n_half;
    return START_TICK;
}

uint32_t board_random(void) { return 0x5EED5EEDu; }
uint8_t board_restart_cause(void) { return 1; }

size_t board_uart_read(uint8_t *out, size_t capacity) {
    size_t n = 0;
    while (n < capacity && n_read < n_arrived) out[n++] = arrived[n_read++];
    return n;
}

size_t board_uart_room(void) { return room; }
void board_uart_write(const uint8_t *bytes, size_t n) { fwrite(bytes, 1, n, stdout); }

static void fill_half(void) {
    int16_t *half = buffer + (halves++ & 1u) * half_values;
    for (size_t i = 0; i < half_values; i += 3) {
        half[i] = (int16_t)sample_value;
        half[i + 1] = (int16_t)(uint16_t)~sample_value;
        half[i + 2] = 0;
        sample_value++;
    }
    on_half_filled();
}

static size_t two_bytes(void) {
    const int low = getchar();
    return (size_t)(low | getchar() << 8);
}

void board_sleep(void) {
    const int event = getchar();
    if (event == 'b') {
        n_arrived = two_bytes();
        n_read = 0;
        if (fread(arrived, 1, n_arrived, stdin) != n_arrived) exit(7);
    } else if (event == 'h') {
        fill_half();
    } else if (event == 'o') {
        fill_half();
        fill_half();
    } else if (event == 'r') {
        room = two_bytes();
    } else {
        exit(event == EOF ? 0 : 8);
    }
}

void board_restart(void) { exit(42); }
