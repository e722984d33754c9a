/* A minimal C decoder of DATA frames of one station, as a library: what the machine can do with the same work.

   Checks the check word, puts the stamp on its grid, unpacks STAT, phasors, FREQ, DFREQ, analogs and digital words of any
   FORMAT, scales by device, and marks what is missing with NaN: the same columns as the station's decoder. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "synchrophasor.h"

enum { POLAR = 1, FLOAT_PHASORS = 2, FLOAT_ANALOGS = 4, FLOAT_FREQUENCY = 8, MISSING = -0x8000 };
#define SECOND 1000000000LL
static const double DEGREES = 57.295779513082320876798154814105;
static uint16_t slice[8][256];

typedef struct {
    int64_t size, form, phasors, analogs, digitals, rate, time_base, limit;
    int64_t sliced; /* check words by slices of eight bytes, not by single bytes */
} Layout;

typedef struct {
    int64_t *time;
    int32_t *snapped;
    uint8_t *quality;
    uint16_t *status;
    float *values;
    uint16_t *digital;
} Columns;

void prepare(void) {
    make_crc_table();
    memcpy(slice[0], crc_table, sizeof crc_table);
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            slice[k][b] = (uint16_t)(slice[k - 1][b] << 8) ^ crc_table[slice[k - 1][b] >> 8];
}

static uint16_t crc_sliced(const uint8_t *p, int64_t size) {
    uint16_t crc = 0xFFFF;
    for (; size >= 8; size -= 8, p += 8)
        crc = slice[5][p[2]] ^ slice[4][p[3]] ^ slice[3][p[4]] ^ slice[2][p[5]] ^ slice[1][p[6]] ^ slice[0][p[7]] ^
              (slice[7][p[0] ^ (crc >> 8)] ^ slice[6][p[1] ^ (crc & 0xFF)]);
    for (; size > 0; size--, p++) crc = (uint16_t)(crc << 8) ^ crc_table[(crc >> 8) ^ *p];
    return crc;
}

static inline uint32_t get32(const uint8_t *p) {
    uint32_t word;
    memcpy(&word, p, 4);
    return __builtin_bswap32(word);
}

static inline uint16_t get16(const uint8_t *p) {
    uint16_t word;
    memcpy(&word, p, 2);
    return __builtin_bswap16(word);
}

static inline float get_float(const uint8_t *p) {
    uint32_t word = get32(p);
    float value;
    memcpy(&value, &word, 4);
    return value;
}

static inline float wrapped(double degrees) {
    if (degrees <= -180 || degrees > 180) {
        double rest = fmod(180 - degrees, 360);
        degrees = 180 - (rest < 0 ? rest + 360 : rest);
    }
    float angle = (float)degrees;
    return angle <= -180.0f ? 180.0f : angle;
}

static const uint8_t *get_phasors(const uint8_t *p, const Layout *l, const double *scale, int absent, float *out) {
    for (int64_t k = 0; k < l->phasors; k++, out += 2) {
        double a, b;
        int missing = 0;
        if (l->form & FLOAT_PHASORS) {
            a = get_float(p), b = get_float(p + 4), p += 8;
            if (!(l->form & POLAR)) missing = isnan(a) || isnan(b);
        } else {
            int16_t first = (int16_t)get16(p), second = (int16_t)get16(p + 2);
            p += 4;
            missing = second == MISSING || (first == MISSING && (absent || !(l->form & POLAR)));
            a = l->form & POLAR ? (double)(uint16_t)first : (double)first;
            b = l->form & POLAR ? second * 1e-4 : (double)second;
        }
        double magnitude = l->form & POLAR ? a : sqrt(a * a + b * b);
        double angle = (l->form & POLAR ? b : atan2(b, a)) * DEGREES;
        if (!(l->form & FLOAT_PHASORS)) magnitude *= scale[k], angle -= scale[l->phasors + k];
        out[0] = missing ? NAN : (float)magnitude;
        out[1] = missing ? NAN : wrapped(angle);
    }
    return p;
}

static const uint8_t *get_frequency(const uint8_t *p, const Layout *l, double nominal, float *out) {
    if (l->form & FLOAT_FREQUENCY) {
        out[0] = get_float(p), out[1] = get_float(p + 4);
        return p + 8;
    }
    int16_t deviation = (int16_t)get16(p), rocof = (int16_t)get16(p + 2);
    out[0] = deviation == MISSING ? NAN : (float)(nominal + deviation / 1000.0);
    out[1] = rocof == MISSING ? NAN : (float)(rocof / 100.0);
    return p + 4;
}

static const uint8_t *get_analogs(const uint8_t *p, const Layout *l, const double *scale, int absent, float *out) {
    for (int64_t k = 0; k < l->analogs; k++) {
        if (l->form & FLOAT_ANALOGS) {
            out[k] = (float)((double)get_float(p) * scale[k] + scale[l->analogs + k]), p += 4;
        } else {
            int16_t raw = (int16_t)get16(p);
            out[k] = absent && raw == MISSING ? NAN : (float)(raw * scale[k] + scale[l->analogs + k]), p += 2;
        }
    }
    return p;
}

/* Whether a concentrator filled this place: all phasors zero, and FREQ is the wrapped deviation of 0 Hz. */
static int filled(const uint8_t *p, const uint8_t *freq, const Layout *l, double nominal) {
    if (l->form & FLOAT_FREQUENCY || p == freq || get16(freq) != (uint16_t)(int64_t)(-1000 * nominal)) return 0;
    uint16_t mask = l->form & FLOAT_PHASORS ? 0x7FFF : 0xFFFF;
    for (; p < freq; p += 4)
        if ((get16(p) & mask) | get16(p + 2)) return 0;
    return 1;
}

static void get_time(const uint8_t *p, const Layout *l, int64_t k, Columns *out) {
    uint32_t fraction = get32(p + 10);
    int64_t own = get32(p + 6) * SECOND + ((fraction & 0xFFFFFF) * SECOND + l->time_base / 2) / l->time_base;
    int64_t slot = own / SECOND * l->rate + (own % SECOND * l->rate + SECOND / 2) / SECOND;
    int64_t moved = slot / l->rate * SECOND + (slot % l->rate * SECOND + l->rate / 2) / l->rate - own;
    if (moved > l->limit || moved < -l->limit) moved = 0;
    out->time[k] = own + moved, out->snapped[k] = (int32_t)moved, out->quality[k] = (uint8_t)(fraction >> 24);
}

/* n frames, end to end; scales of each device: nominal, factors, angles, analog factors, analog offsets. Returns how many
   have a good check word; the columns of others are not written. */
int64_t decode(const uint8_t *frames, int64_t n, const Layout *l, const double *scales, const int64_t *which, Columns *out) {
    int64_t good = 0, channels = 2 + 2 * l->phasors + l->analogs, row = 1 + 2 * l->phasors + 2 * l->analogs;
    for (int64_t k = 0; k < n; k++) {
        const uint8_t *frame = frames + k * l->size, *p = frame + 14, *freq;
        const double *scale = scales + which[k] * row;
        float *values = out->values + k * channels;
        if (l->sliced ? crc_sliced(frame, l->size) : crc_ccitt(frame, (size_t)l->size)) continue;
        good++;
        get_time(frame, l, k, out);
        uint16_t status = out->status[k] = get16(p);
        int absent = status >> 14 == 2;
        freq = get_phasors(p + 2, l, scale + 1, absent, values + 2);
        int is_filled = filled(p + 2, freq, l, scale[0]);
        p = get_frequency(freq, l, scale[0], values);
        p = get_analogs(p, l, scale + 1 + 2 * l->phasors, absent, values + 2 + 2 * l->phasors);
        if (is_filled)
            for (int64_t c = 0; c < channels; c++) values[c] = NAN;
        for (int64_t d = 0; d < l->digitals; d++, p += 2) out->digital[k * l->digitals + d] = get16(p);
    }
    return good;
}
