/* C37.118 frames as the C programs of the benchmarks need them: one layout, 84 bytes a DATA frame, 16 values.

   One station: 6 phasors, FREQ, DFREQ, 2 analogs, all float32, and a digital word (C37.118.2-2011 tables 5 to 12). */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { DATA_SIZE = 84, COMMAND_SIZE = 18, PHASORS = 6, ANALOGS = 2, LABELS = 16, TIME_BASE = 1000000 };
enum { SYNC_DATA = 0x01, SYNC_CONFIGURATION_2 = 0x31, SYNC_COMMAND = 0x41, SYNC_CONFIGURATION_3 = 0x52 };
enum { DATA_OFF = 1, DATA_ON = 2, SEND_CONFIGURATION_2 = 5, SEND_CONFIGURATION_3 = 6 };

static const char *CHANNELS[PHASORS + ANALOGS] = {"VA", "VB", "VC", "IA", "IB", "IC", "P", "Q"};
static uint16_t crc_table[256];

/* CRC-CCITT, 0xFFFF first (annex B). */
static inline uint16_t crc_ccitt(const uint8_t *bytes, size_t size) {
    uint16_t crc = 0xFFFF;
    for (size_t i = 0; i < size; i++) crc = (uint16_t)(crc << 8) ^ crc_table[(crc >> 8) ^ bytes[i]];
    return crc;
}

static inline void make_crc_table(void) {
    for (unsigned n = 0; n < 256; n++) {
        uint16_t crc = (uint16_t)(n << 8);
        for (int bit = 0; bit < 8; bit++) crc = (uint16_t)(crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0);
        crc_table[n] = crc;
    }
}

static inline uint8_t *put16(uint8_t *at, unsigned value) {
    at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value;
    return at + 2;
}

static inline uint8_t *put32(uint8_t *at, uint32_t value) {
    uint32_t swapped = __builtin_bswap32(value);
    memcpy(at, &swapped, 4);
    return at + 4;
}

static inline uint8_t *put_float(uint8_t *at, float value) {
    uint32_t word;
    memcpy(&word, &value, 4);
    return put32(at, word);
}

static inline uint8_t *put_head(uint8_t *at, int sync, unsigned size, unsigned stream, uint32_t soc, uint32_t count) {
    at[0] = 0xAA, at[1] = (uint8_t)sync;
    return put32(put32(put16(put16(at + 2, size), stream), soc), count);
}

/* FRAMESIZE and CHK of a frame that ends at `end`; returns its size. */
static inline size_t seal(uint8_t *frame, const uint8_t *end) {
    size_t size = (size_t)(end - frame) + 2;
    put16(frame + 2, (unsigned)size);
    put16(frame + size - 2, crc_ccitt(frame, size - 2));
    return size;
}

static inline size_t command(uint8_t *frame, unsigned stream, uint32_t soc, unsigned what) {
    return seal(frame, put16(put_head(frame, SYNC_COMMAND, COMMAND_SIZE, stream, soc, 0), what));
}

/* Names have 16 bytes in CFG-2, a length in front in CFG-3. */
static inline uint8_t *put_name(uint8_t *at, const char *name, int counted) {
    size_t length = strlen(name);
    if (counted) {
        *at++ = (uint8_t)length;
        memcpy(at, name, length);
        return at + length;
    }
    memset(at, ' ', 16);
    memcpy(at, name, length);
    return at + 16;
}

static inline uint8_t *put_names(uint8_t *at, int counted) {
    char label[16];
    for (int i = 0; i < PHASORS + ANALOGS; i++) at = put_name(at, CHANNELS[i], counted);
    for (int i = 0; i < LABELS; i++) {
        snprintf(label, sizeof label, "BREAKER %d", i);
        at = put_name(at, label, counted);
    }
    return at;
}

/* What is in front of the names: the station's own name, IDCODE, FORMAT, counts of channels. */
static inline uint8_t *put_station(uint8_t *at, unsigned stream, int polar, int kind) {
    char name[24];
    snprintf(name, sizeof name, "Load %u", stream);
    at = put16(put_name(put16(put32(at, TIME_BASE), 1), name, kind == 3), stream);
    if (kind == 3) memset(at, 0, 16), at[15] = (uint8_t)stream, at[14] = (uint8_t)(stream >> 8), at += 16;
    return put16(put16(put16(put16(at, polar ? 15 : 14), PHASORS), ANALOGS), 1);
}

static inline size_t configuration_2(uint8_t *frame, unsigned stream, int polar, int rate, uint32_t soc) {
    uint8_t *at = put_head(frame, SYNC_CONFIGURATION_2, 0, stream, soc, 0);
    at = put_names(put_station(at, stream, polar, 2), 0);
    for (int i = 0; i < PHASORS; i++) at = put32(at, (uint32_t)(i >= 3) << 24);
    for (int i = 0; i < ANALOGS; i++) at = put32(at, 1u << 24);
    at = put16(put16(at, 0), 0xFFFF); /* DIGUNIT: normal state, valid bits */
    return seal(frame, put16(put16(put16(at, 1), 0), (unsigned)rate)); /* FNOM 50 Hz, CFGCNT, DATA_RATE */
}

static inline size_t configuration_3(uint8_t *frame, unsigned stream, int polar, int rate, uint32_t soc) {
    static const uint8_t COMPONENT[3] = {4, 5, 6};
    uint8_t *at = put16(put_head(frame, SYNC_CONFIGURATION_3, 0, stream, soc, 0), 0); /* CONT_IDX: the only piece */
    at = put_names(put_station(at, stream, polar, 3), 1);
    for (int i = 0; i < PHASORS; i++) { /* PHSCALE: modification, type, user, factor, angle */
        at = put16(at, 0);
        *at++ = (uint8_t)(COMPONENT[i % 3] | (i >= 3) << 3), *at++ = 0;
        at = put_float(put_float(at, 1), 0);
    }
    for (int i = 0; i < ANALOGS; i++) at = put_float(put_float(at, 1), 0);
    at = put16(put16(at, 0), 0xFFFF);
    at = put_float(put_float(put_float(at, 45.0f), 120.0f), 500.0f); /* latitude, longitude, elevation */
    *at++ = 'M';
    at = put32(put32(at, 80000), 40000); /* WINDOW, GRP_DLY [us] */
    return seal(frame, put16(put16(put16(at, 1), 0), (unsigned)rate));
}
