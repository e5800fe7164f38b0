/* stethos_wire.h: the sensor's side of the wire protocol (PROTOCOL.md, version 1), in one C99 header.
 *
 * What it does: builds every frame that a device sends, CRC-32 and COBS included, in one pass straight into the
 * buffer that goes to the UART; takes the host's bytes one at a time and answers commands. What it does not do:
 * touch hardware, allocate, wait, or lock. Call it from one context, or guard it as you would any other state.
 *
 * Needs <stdint.h>, <stddef.h>, and memcpy and memset of <string.h>; byte order and alignment of the processor do not matter;
 * `float` must be IEEE 754 binary32. It is small: what is called for every byte is kept out of line.
 *
 * The CRC goes by a table of 64 bytes. Where a CRC unit or a larger table is at hand, define
 * STETHOS_CRC_OF_BYTE(crc, byte) before including this file: the register after one more byte.
 *
 * Copyright the Stethos authors. SPDX-License-Identifier: Apache-2.0
 */
#ifndef STETHOS_WIRE_H
#define STETHOS_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define STETHOS_OUT_OF_LINE static __attribute__((noinline, unused))
#else
#define STETHOS_OUT_OF_LINE static inline
#endif

#define STETHOS_PROTOCOL_VERSION 1u
#define STETHOS_MAX_PAYLOAD_BYTES 2048u /* type and body, without CRC */
#define STETHOS_TEXT_BYTES 16u
#define STETHOS_SAMPLES_HEADER_BYTES 9u
#define STETHOS_HELLO_BYTES 71u
#define STETHOS_CRC_BYTES 4u

/* The most bytes that a payload takes on the line, delimiter included: the size of a transmit buffer. */
#define STETHOS_WIRE_BYTES(payload) \
    ((payload) + STETHOS_CRC_BYTES + ((payload) + STETHOS_CRC_BYTES) / 254u + 1u + 1u)
#define STETHOS_SAMPLES_WIRE_BYTES(axes, samples_per_frame) \
    STETHOS_WIRE_BYTES(STETHOS_SAMPLES_HEADER_BYTES + 2u * (axes) * (samples_per_frame))
#define STETHOS_MAX_WIRE_BYTES STETHOS_WIRE_BYTES(STETHOS_MAX_PAYLOAD_BYTES)
#define STETHOS_MAX_REPLY_BYTES STETHOS_WIRE_BYTES(STETHOS_HELLO_BYTES)

enum stethos_frame_type {
    STETHOS_HELLO = 0x01,
    STETHOS_SAMPLES = 0x02,
    STETHOS_STATS = 0x03,
    STETHOS_ACK = 0x04,
    STETHOS_NAK = 0x05,
    STETHOS_RESTARTED = 0x06,
    STETHOS_IDENTIFY = 0x81,
    STETHOS_START = 0x82,
    STETHOS_STOP = 0x83,
    STETHOS_RESET = 0x84,
    STETHOS_STATS_REQUEST = 0x85
};

enum stethos_nak_code {
    STETHOS_NAK_UNKNOWN_COMMAND = 1,
    STETHOS_NAK_BAD_LENGTH = 2,
    STETHOS_NAK_BAD_STATE = 3,
    STETHOS_NAK_BUSY = 4,
    STETHOS_NAK_SENSOR_FAULT = 5
};

enum stethos_restart_cause {
    STETHOS_RESTART_POWER_ON = 1,
    STETHOS_RESTART_WATCHDOG = 2,
    STETHOS_RESTART_BROWN_OUT = 3,
    STETHOS_RESTART_COMMAND = 4,
    STETHOS_RESTART_FAULT = 5
};

/* Who the sensor is and what its samples mean. Texts are printable ASCII, cut at 16 characters. */
typedef struct {
    uint32_t boot_id; /* random at each start of the firmware */
    const char *model;
    const char *serial_number; /* never empty */
    const char *firmware_version;
    float full_scale_mps2;         /* acceleration of 32768 counts, m/s2 */
    uint32_t sample_rate_millihz;  /* samples per second and axis, in 1/1000 Hz */
    uint8_t axes;                  /* 1 to 16 */
    uint16_t samples_per_frame;    /* per axis, the same in every SAMPLES frame */
    uint32_t tick_rate_hz;         /* of the counter that stamps frames */
} stethos_hello;

/* ---- CRC-32 (reflected 0x04C11DB7; initial value and final XOR 0xFFFFFFFF), one byte at a time ---------------- */

#define STETHOS_CRC_START 0xFFFFFFFFu
/* What the register holds after a message and its own CRC went through it, whatever the message. */
#define STETHOS_CRC_RESIDUE 0xDEBB20E3u

#ifndef STETHOS_CRC_OF_BYTE
#define STETHOS_CRC_OF_BYTE(crc, byte) stethos_crc_of_byte((crc), (byte))
static inline uint32_t stethos_crc_of_byte(uint32_t crc, uint8_t byte) {
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu};
    crc ^= byte;
    crc = (crc >> 4) ^ table[crc & 0x0Fu];
    return (crc >> 4) ^ table[crc & 0x0Fu];
}
#endif

/* ---- Writing one frame: CRC and COBS on the way, no second buffer ---------------------------------------------
 *
 * COBS cuts the bytes into blocks of up to 254 that are not zero; a code byte before each block holds its length
 * plus one, and a code below 0xFF stands for a zero after the block. `code_at` is where the present block's code
 * will go once its length is known. A full block is closed only when a further byte comes, so that a frame which
 * ends with one has no empty block behind it.
 */
typedef struct {
    uint8_t *out;
    size_t capacity;
    size_t at;
    size_t code_at;
    uint32_t crc;
    uint8_t code; /* 1 + bytes in the present block */
    uint8_t overflow;
} stethos_writer;

static inline void stethos_store_(stethos_writer *w, uint8_t byte) {
    if (w->at < w->capacity)
        w->out[w->at++] = byte;
    else
        w->overflow = 1;
}

STETHOS_OUT_OF_LINE void stethos_next_block_(stethos_writer *w) {
    if (w->code_at < w->capacity) w->out[w->code_at] = w->code;
    w->code_at = w->at;
    w->code = 1;
    stethos_store_(w, 0);
}

static inline void stethos_stuff_(stethos_writer *w, uint8_t byte) {
    if (w->code == 0xFFu) stethos_next_block_(w);
    if (byte == 0) {
        stethos_next_block_(w);
    } else {
        stethos_store_(w, byte);
        w->code++;
    }
}

STETHOS_OUT_OF_LINE void stethos_put_u8(stethos_writer *w, uint8_t value) {
    w->crc = STETHOS_CRC_OF_BYTE(w->crc, value);
    stethos_stuff_(w, value);
}

static inline void stethos_put_u16(stethos_writer *w, uint16_t value) {
    stethos_put_u8(w, (uint8_t)(value & 0xFFu));
    stethos_put_u8(w, (uint8_t)(value >> 8));
}

STETHOS_OUT_OF_LINE void stethos_put_u32(stethos_writer *w, uint32_t value) {
    stethos_put_u16(w, (uint16_t)(value & 0xFFFFu));
    stethos_put_u16(w, (uint16_t)(value >> 16));
}

static inline void stethos_put_u64(stethos_writer *w, uint64_t value) {
    stethos_put_u32(w, (uint32_t)(value & 0xFFFFFFFFu));
    stethos_put_u32(w, (uint32_t)(value >> 32));
}

static inline void stethos_put_float(stethos_writer *w, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    stethos_put_u32(w, bits);
}

STETHOS_OUT_OF_LINE void stethos_put_text(stethos_writer *w, const char *text) {
    for (size_t i = 0; i < STETHOS_TEXT_BYTES; i++) {
        stethos_put_u8(w, (uint8_t)*text);
        if (*text) text++;
    }
}

/* Begin a frame of this type in `out`; put its fields in order; `stethos_end` closes it. */
STETHOS_OUT_OF_LINE void stethos_begin(stethos_writer *w, uint8_t *out, size_t capacity, uint8_t type) {
    w->out = out;
    w->capacity = capacity;
    w->at = 0;
    w->code_at = 0;
    w->crc = STETHOS_CRC_START;
    w->code = 1;
    w->overflow = 0;
    stethos_store_(w, 0);
    stethos_put_u8(w, type);
}

/* Bytes of the whole frame, delimiter included; 0 if it did not fit, and then `out` holds nothing to send. */
STETHOS_OUT_OF_LINE size_t stethos_end(stethos_writer *w) {
    const uint32_t crc = w->crc ^ 0xFFFFFFFFu;
    for (unsigned shift = 0; shift < 32u; shift += 8u) stethos_stuff_(w, (uint8_t)(crc >> shift));
    if (w->code_at < w->capacity) w->out[w->code_at] = w->code;
    stethos_store_(w, 0);
    return w->overflow ? 0 : w->at;
}

/* ---- The frames that a device sends: each returns the bytes written to `out`, 0 if they do not fit ------------ */

/* `interleaved`: axis 0, 1, ... of the first sample, then of the second, ...; n_values = axes x samples_per_frame. */
static inline size_t stethos_encode_samples(uint8_t *out, size_t capacity, uint32_t sequence, uint32_t first_tick,
                                            const int16_t *interleaved, size_t n_values) {
    stethos_writer w;
    if (n_values == 0 || n_values > (STETHOS_MAX_PAYLOAD_BYTES - STETHOS_SAMPLES_HEADER_BYTES) / 2u) return 0;
    stethos_begin(&w, out, capacity, STETHOS_SAMPLES);
    stethos_put_u32(&w, sequence);
    stethos_put_u32(&w, first_tick);
    for (size_t i = 0; i < n_values; i++) stethos_put_u16(&w, (uint16_t)interleaved[i]);
    return stethos_end(&w);
}

static inline size_t stethos_encode_hello(uint8_t *out, size_t capacity, uint16_t request_id, const stethos_hello *h) {
    stethos_writer w;
    stethos_begin(&w, out, capacity, STETHOS_HELLO);
    stethos_put_u16(&w, request_id);
    stethos_put_u8(&w, STETHOS_PROTOCOL_VERSION);
    stethos_put_u32(&w, h->boot_id);
    stethos_put_text(&w, h->model);
    stethos_put_text(&w, h->serial_number);
    stethos_put_text(&w, h->firmware_version);
    stethos_put_float(&w, h->full_scale_mps2);
    stethos_put_u32(&w, h->sample_rate_millihz);
    stethos_put_u8(&w, h->axes);
    stethos_put_u16(&w, h->samples_per_frame);
    stethos_put_u32(&w, h->tick_rate_hz);
    return stethos_end(&w);
}

static inline size_t stethos_encode_stats(uint8_t *out, size_t capacity, uint16_t request_id, uint64_t frames_sent,
                                          uint64_t frames_dropped, uint32_t commands_rejected) {
    stethos_writer w;
    stethos_begin(&w, out, capacity, STETHOS_STATS);
    stethos_put_u16(&w, request_id);
    stethos_put_u64(&w, frames_sent);
    stethos_put_u64(&w, frames_dropped);
    stethos_put_u32(&w, commands_rejected);
    return stethos_end(&w);
}

static inline size_t stethos_encode_ack(uint8_t *out, size_t capacity, uint16_t request_id, uint8_t command) {
    stethos_writer w;
    stethos_begin(&w, out, capacity, STETHOS_ACK);
    stethos_put_u16(&w, request_id);
    stethos_put_u8(&w, command);
    return stethos_end(&w);
}

static inline size_t stethos_encode_nak(uint8_t *out, size_t capacity, uint16_t request_id, uint8_t command,
                                        uint8_t code) {
    stethos_writer w;
    stethos_begin(&w, out, capacity, STETHOS_NAK);
    stethos_put_u16(&w, request_id);
    stethos_put_u8(&w, command);
    stethos_put_u8(&w, code);
    return stethos_end(&w);
}

static inline size_t stethos_encode_restarted(uint8_t *out, size_t capacity, uint32_t boot_id, uint8_t cause) {
    stethos_writer w;
    stethos_begin(&w, out, capacity, STETHOS_RESTARTED);
    stethos_put_u32(&w, boot_id);
    stethos_put_u8(&w, cause);
    return stethos_end(&w);
}

/* ---- What the host sends, found in a stream of bytes ---------------------------------------------------------
 *
 * COBS is undone and the CRC checked byte by byte. Of a frame only its first three bytes are kept (type and
 * request_id are all that a command has), so a frame of any length needs no buffer: whether its CRC was right
 * shows in the register at its end.
 */
typedef struct {
    uint32_t crc;
    uint16_t wire_bytes;    /* of the present frame, without delimiter; stops counting when too long */
    uint16_t decoded_bytes; /* payload and CRC */
    uint8_t left;           /* bytes until the present block ends */
    uint8_t full_block;     /* no zero follows it */
    uint8_t head[3];
} stethos_receiver;

enum stethos_received { STETHOS_NOTHING, STETHOS_FRAME, STETHOS_DAMAGED };

static inline void stethos_receiver_reset(stethos_receiver *r) {
    memset(r, 0, sizeof *r);
    r->crc = STETHOS_CRC_START;
    r->full_block = 1; /* before the first block stands no zero */
}

static inline void stethos_decoded_(stethos_receiver *r, uint8_t byte) {
    if (r->decoded_bytes < sizeof r->head) r->head[r->decoded_bytes] = byte;
    r->decoded_bytes++;
    r->crc = STETHOS_CRC_OF_BYTE(r->crc, byte);
}

/* Take one byte. STETHOS_FRAME: a whole frame with a right CRC ended; type, request_id and payload_bytes are set. */
STETHOS_OUT_OF_LINE enum stethos_received stethos_receive(stethos_receiver *r, uint8_t byte, uint8_t *type,
                                                          uint16_t *request_id, uint16_t *payload_bytes) {
    enum stethos_received verdict = STETHOS_DAMAGED;
    if (byte != 0) {
        if (r->wire_bytes >= STETHOS_MAX_WIRE_BYTES) return STETHOS_NOTHING; /* too long: skipped to its end */
        r->wire_bytes++;
        if (r->left > 0) {
            r->left--;
            stethos_decoded_(r, byte);
        } else {
            if (!r->full_block) stethos_decoded_(r, 0);
            r->left = (uint8_t)(byte - 1u);
            r->full_block = byte == 0xFFu;
        }
        return STETHOS_NOTHING;
    }
    if (r->wire_bytes == 0) {
        verdict = STETHOS_NOTHING; /* idle line */
    } else if (r->wire_bytes < STETHOS_MAX_WIRE_BYTES && r->left == 0 && r->decoded_bytes > STETHOS_CRC_BYTES &&
               r->crc == STETHOS_CRC_RESIDUE) {
        verdict = STETHOS_FRAME;
        *type = r->head[0];
        *request_id = (uint16_t)(r->head[1] | (uint16_t)(r->head[2] << 8));
        *payload_bytes = (uint16_t)(r->decoded_bytes - STETHOS_CRC_BYTES);
    }
    stethos_receiver_reset(r);
    return verdict;
}

/* ---- The conversation: a whole sensor but for its samples ------------------------------------------------------ */

typedef struct {
    const stethos_hello *hello;
    stethos_receiver receiver;
    uint32_t next_sequence;
    uint64_t frames_sent;
    uint64_t frames_dropped;
    uint32_t commands_rejected;
    uint8_t streaming;    /* send SAMPLES while it is set */
    uint8_t reset_wanted; /* restart once the reply has left */
} stethos_device;

static inline void stethos_device_init(stethos_device *device, const stethos_hello *hello) {
    memset(device, 0, sizeof *device);
    device->hello = hello;
    stethos_receiver_reset(&device->receiver);
}

/* Take one byte of the host. Returns the bytes of a reply in `reply` (STETHOS_MAX_REPLY_BYTES are always enough),
 * 0 when there is nothing to answer. */
static inline size_t stethos_device_receive(stethos_device *device, uint8_t byte, uint8_t *reply, size_t capacity) {
    uint8_t type = 0;
    uint16_t request_id = 0;
    uint16_t payload_bytes = 0;
    const enum stethos_received verdict = stethos_receive(&device->receiver, byte, &type, &request_id, &payload_bytes);
    if (verdict == STETHOS_NOTHING) return 0;
    if (verdict == STETHOS_DAMAGED || type < 0x80u) { /* never answer a device's frame: the line may be looped back */
        device->commands_rejected++;
        return 0;
    }
    if (type < STETHOS_IDENTIFY || type > STETHOS_STATS_REQUEST) {
        device->commands_rejected++;
        return stethos_encode_nak(reply, capacity, 0, type, STETHOS_NAK_UNKNOWN_COMMAND);
    }
    if (payload_bytes != 3u) {
        device->commands_rejected++;
        return stethos_encode_nak(reply, capacity, 0, type, STETHOS_NAK_BAD_LENGTH);
    }
    if (type == STETHOS_IDENTIFY) return stethos_encode_hello(reply, capacity, request_id, device->hello);
    if (type == STETHOS_STATS_REQUEST)
        return stethos_encode_stats(reply, capacity, request_id, device->frames_sent, device->frames_dropped,
                                    device->commands_rejected);
    device->streaming = type == STETHOS_START;
    if (type == STETHOS_RESET) device->reset_wanted = 1;
    return stethos_encode_ack(reply, capacity, request_id, type);
}

/* Use up the numbers of frames whose samples were taken and lost before they could be framed. */
static inline void stethos_device_skip(stethos_device *device, uint32_t n_frames) {
    device->next_sequence += n_frames;
    device->frames_dropped += n_frames;
}

/* A SAMPLES frame of the samples just taken; its number is used up whether or not it can be sent. `room` is what the
 * transmit FIFO can take now: without room for all of it the frame is dropped, counted, and 0 is returned. */
static inline size_t stethos_device_samples(stethos_device *device, uint8_t *out, size_t capacity, size_t room,
                                            uint32_t first_tick, const int16_t *interleaved) {
    const size_t n_values = (size_t)device->hello->axes * device->hello->samples_per_frame;
    const uint32_t sequence = device->next_sequence++;
    const size_t n = stethos_encode_samples(out, capacity, sequence, first_tick, interleaved, n_values);
    if (n == 0 || n > room) {
        device->frames_dropped++;
        return 0;
    }
    device->frames_sent++;
    return n;
}

#endif /* STETHOS_WIRE_H */
