/* Encodes what it is told on stdin, answers on stdout: [u16 n][n bytes] per request. Host only, for the tests.
 *
 * Requests, little-endian: u8 kind, u16 capacity, then the fields. Kinds 1 to 6 are frame types; 'c' is a chunk of
 * host bytes (u16 n, bytes), answered by all replies and the count of rejected commands; 'i' begins a new device.
 */
#include <stdio.h>
#include <stdlib.h>

#include "stethos_wire.h"

static uint8_t out[4096];
static stethos_device device;
static stethos_hello hello;
static char texts[3][64];

static uint64_t number(int n_bytes) {
    uint64_t value = 0;
    for (int i = 0; i < n_bytes; i++) {
        const int byte = getchar();
        if (byte == EOF) exit(3);
        value |= (uint64_t)byte << (8 * i);
    }
    return value;
}

static void read_hello(void) {
    uint32_t bits;
    hello.boot_id = (uint32_t)number(4);
    for (int t = 0; t < 3; t++) {
        const size_t n = (size_t)number(1);
        for (size_t i = 0; i < n; i++) texts[t][i] = (char)number(1);
        texts[t][n] = 0;
    }
    hello.model = texts[0];
    hello.serial_number = texts[1];
    hello.firmware_version = texts[2];
    bits = (uint32_t)number(4);
    memcpy(&hello.full_scale_mps2, &bits, 4);
    hello.sample_rate_millihz = (uint32_t)number(4);
    hello.axes = (uint8_t)number(1);
    hello.samples_per_frame = (uint16_t)number(2);
    hello.tick_rate_hz = (uint32_t)number(4);
}

static size_t converse(void) {
    size_t n = 0;
    for (size_t left = (size_t)number(2); left > 0; left--)
        n += stethos_device_receive(&device, (uint8_t)number(1), out + n, STETHOS_MAX_REPLY_BYTES);
    for (int shift = 0; shift < 32; shift += 8) out[n++] = (uint8_t)(device.commands_rejected >> shift);
    out[n++] = device.streaming;
    out[n++] = device.reset_wanted;
    return n;
}

static size_t answer(int kind, size_t capacity) {
    static int16_t values[2048];
    if (kind == STETHOS_SAMPLES) {
        const uint32_t sequence = (uint32_t)number(4);
        const uint32_t tick = (uint32_t)number(4);
        const size_t n = (size_t)number(2);
        for (size_t i = 0; i < n; i++) values[i] = (int16_t)(uint16_t)number(2);
        return stethos_encode_samples(out, capacity, sequence, tick, values, n);
    }
    if (kind == STETHOS_RESTARTED) {
        const uint32_t boot_id = (uint32_t)number(4);
        return stethos_encode_restarted(out, capacity, boot_id, (uint8_t)number(1));
    }
    if (kind == 'i') {
        read_hello();
        stethos_device_init(&device, &hello);
        return 0;
    }
    if (kind == 'c') return converse();
    const uint16_t request_id = (uint16_t)number(2);
    if (kind == STETHOS_HELLO) {
        read_hello();
        return stethos_encode_hello(out, capacity, request_id, &hello);
    }
    if (kind == STETHOS_STATS) {
        const uint64_t sent = number(8);
        const uint64_t dropped = number(8);
        return stethos_encode_stats(out, capacity, request_id, sent, dropped, (uint32_t)number(4));
    }
    const uint8_t command = (uint8_t)number(1);
    if (kind == STETHOS_ACK) return stethos_encode_ack(out, capacity, request_id, command);
    return stethos_encode_nak(out, capacity, request_id, command, (uint8_t)number(1));
}

int main(void) {
    int kind;
    while ((kind = getchar()) != EOF) {
        const size_t capacity = (size_t)number(2);
        if (capacity > sizeof out - 1) return 4;
        out[capacity] = 0xA5; /* what stands behind the capacity must never be touched */
        const size_t n = answer(kind, capacity);
        if (kind < 'a' && out[capacity] != 0xA5) return 5;
        putchar((int)(n & 0xFF));
        putchar((int)(n >> 8));
        fwrite(out, 1, n, stdout);
        fflush(stdout);
    }
    return 0;
}
