/* example_board.h: what example_main.c asks of a board. Write these nine functions for yours.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EXAMPLE_BOARD_H
#define EXAMPLE_BOARD_H

#include <stddef.h>
#include <stdint.h>

/* Clocks, UART (3,000,000 baud 8N1) with a transmit FIFO that DMA empties, a receive FIFO. */
void board_start(void);

/* Sampling from now on: a free-running timer of tick_rate_hz triggers the ADC every ticks_per_sample, circular DMA
 * fills `samples` (two halves of n_half values) and interrupts at each half: the handler calls on_half_filled().
 * Returns the timer's count at the first sample. */
uint32_t board_start_sampling(int16_t *samples, size_t n_half, uint32_t tick_rate_hz, uint32_t ticks_per_sample);

uint32_t board_random(void);       /* from a true random source, or a number counted up in flash */
uint8_t board_restart_cause(void); /* enum stethos_restart_cause, from the reset flags */

size_t board_uart_read(uint8_t *out, size_t capacity); /* what has arrived, 0 if nothing; never waits */
size_t board_uart_room(void);                          /* bytes that the transmit FIFO can take now */
void board_uart_write(const uint8_t *bytes, size_t n); /* n <= board_uart_room() */

void board_sleep(void);   /* until the next interrupt (WFI); returns at once if one is pending */
void board_restart(void); /* when the transmit FIFO is empty; does not return */

/* The example's, called by the board. */
void on_half_filled(void);

#endif
