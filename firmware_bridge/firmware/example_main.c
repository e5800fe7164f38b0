/* example_main.c: a three-axis sensor in a main loop. Board: example_board.h. Protocol: stethos_wire.h.
 *
 * DMA fills one half of a double buffer while the other is framed. The timer that triggers the ADC is the device
 * clock, so the tick of a frame's first sample is arithmetic and carries no jitter of an interrupt; the host fits
 * it against its own clock and finds the true sample rate, and nothing here is ever adjusted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "example_board.h"
#include "stethos_wire.h"

#define AXES 3u
#define SAMPLES_PER_FRAME 128u
#define SAMPLE_RATE_HZ 25600u
#define TICK_RATE_HZ 10240000u
#define TICKS_PER_SAMPLE (TICK_RATE_HZ / SAMPLE_RATE_HZ)
#define TICKS_PER_FRAME (TICKS_PER_SAMPLE * SAMPLES_PER_FRAME)
#define VALUES_PER_FRAME (AXES * SAMPLES_PER_FRAME)

static stethos_hello hello = {
    .model = "EXAMPLE-3X",
    .serial_number = "EX-0001",
    .firmware_version = "1.0.0",
    .full_scale_mps2 = 156.9064f, /* 16 g */
    .sample_rate_millihz = SAMPLE_RATE_HZ * 1000u,
    .axes = AXES,
    .samples_per_frame = SAMPLES_PER_FRAME,
    .tick_rate_hz = TICK_RATE_HZ,
};

static stethos_device device;
static int16_t samples[2][VALUES_PER_FRAME];
static uint8_t frame[STETHOS_SAMPLES_WIRE_BYTES(AXES, SAMPLES_PER_FRAME)];
static volatile uint32_t halves_filled; /* the only thing that the interrupt writes */

void on_half_filled(void) { halves_filled++; }

/* Whether the half is still whole: DMA writes into it again as soon as the next one is full. */
static int is_whole(uint32_t half) { return halves_filled - half == 1u; }

static void answer_commands(void) {
    uint8_t bytes[32];
    uint8_t reply[STETHOS_MAX_REPLY_BYTES];
    size_t n;
    while ((n = board_uart_read(bytes, sizeof bytes)) > 0) {
        for (size_t i = 0; i < n; i++) {
            const size_t reply_bytes = stethos_device_receive(&device, bytes[i], reply, sizeof reply);
            /* Without room the reply is left out: the host asks again after a second. */
            if (reply_bytes > 0 && reply_bytes <= board_uart_room()) board_uart_write(reply, reply_bytes);
        }
    }
}

static void send_half(uint32_t half, uint32_t first_sample_tick) {
    const uint32_t tick = first_sample_tick + half * TICKS_PER_FRAME;
    const size_t room = board_uart_room();
    size_t n;
    if (!is_whole(half)) { /* the loop was too slow: the number is used up, the host sees the gap */
        stethos_device_skip(&device, 1);
        return;
    }
    n = stethos_device_samples(&device, frame, sizeof frame, room, tick, samples[half & 1u]);
    if (n == 0) return; /* no room: dropped and counted */
    if (!is_whole(half)) { /* overwritten while it was framed */
        device.frames_sent--;
        device.frames_dropped++;
        return;
    }
    board_uart_write(frame, n);
}

int main(void) {
    uint32_t half = 0;
    uint32_t first_sample_tick;
    size_t n;
    board_start();
    hello.boot_id = board_random();
    stethos_device_init(&device, &hello);
    frame[0] = 0; /* ends whatever half a frame the other side may hold */
    n = 1 + stethos_encode_restarted(frame + 1, sizeof frame - 1, hello.boot_id, board_restart_cause());
    board_uart_write(frame, n);
    first_sample_tick = board_start_sampling(samples[0], VALUES_PER_FRAME, TICK_RATE_HZ, TICKS_PER_SAMPLE);
    for (;;) {
        board_sleep();
        answer_commands();
        while (half != halves_filled) {
            if (device.streaming) send_half(half, first_sample_tick);
            half++;
        }
        if (device.reset_wanted) board_restart();
    }
}
