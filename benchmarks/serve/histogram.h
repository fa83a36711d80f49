/* How often each latency was seen: buckets that grow with the value, so that 0.8% of it is the most that a figure is off.
 *
 * As in HdrHistogram: up to 256 us every microsecond has its bucket; from there each power of two is cut into 128.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum { FINE = 256, HALF = FINE / 2, BUCKETS = FINE + 40 * HALF };

typedef struct {
    uint64_t count[BUCKETS];
    uint64_t total;
    int64_t max_us;
} Histogram;

static inline int bucket_of(int64_t value_us) {
    if (value_us < FINE) return value_us < 0 ? 0 : (int)value_us;
    int shift = 63 - __builtin_clzll((unsigned long long)value_us) - 7;
    int place = FINE + (shift - 1) * HALF + (int)(value_us >> shift) - HALF;
    return place < BUCKETS ? place : BUCKETS - 1;
}

/* The largest value that falls into a bucket: a quantile is never told smaller than it was. */
static inline int64_t top_of(int place) {
    if (place < FINE) return place;
    int shift = (place - FINE) / HALF + 1;
    int64_t first = (place - FINE) % HALF + HALF;
    return ((first + 1) << shift) - 1;
}

static inline void record(Histogram *seen, int64_t value_us) {
    seen->count[bucket_of(value_us)]++;
    seen->total++;
    if (value_us > seen->max_us) seen->max_us = value_us;
}

/* The smallest value that a share of all values does not exceed, in ms; 0 where nothing was seen. */
static inline double quantile_ms(const Histogram *seen, double share) {
    uint64_t wanted = (uint64_t)(share * (double)seen->total);
    if ((double)wanted < share * (double)seen->total) wanted++;
    uint64_t below = 0;
    for (int place = 0; place < BUCKETS; place++) {
        below += seen->count[place];
        if (below && below >= wanted) {
            int64_t top_us = top_of(place) < seen->max_us ? top_of(place) : seen->max_us;
            return (double)top_us / 1000.0;
        }
    }
    return 0.0;
}

#endif
