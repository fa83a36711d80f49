/* Reads one HTTP/1.1 answer as it arrives: its status and where it ends. The body itself is thrown away. */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LINE_BYTES = 8192 };
typedef enum { STATUS_LINE, HEADER, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, WHOLE, BROKEN } Part;

typedef struct {
    Part part;
    int status;
    int64_t left; /* bytes of the body or of the chunk still to come */
    bool chunked, close;
    size_t length; /* of the line so far */
    char line[LINE_BYTES];
} Response;

static inline void begin_response(Response *response) {
    response->part = STATUS_LINE;
    response->status = 0;
    response->left = 0;
    response->chunked = response->close = false;
    response->length = 0;
}

static inline void end_of_headers(Response *response) {
    if (response->status == 100) begin_response(response);
    else if (response->chunked) response->part = CHUNK_SIZE;
    else if (response->left > 0 && response->status != 204 && response->status != 304) response->part = BODY;
    else response->part = WHOLE;
}

static inline void read_header(Response *response) {
    const char *line = response->line;
    if (!strncasecmp(line, "content-length:", 15)) response->left = strtoll(line + 15, NULL, 10);
    else if (!strncasecmp(line, "transfer-encoding:", 18)) response->chunked = strcasestr(line + 18, "chunked") != NULL;
    else if (!strncasecmp(line, "connection:", 11)) response->close = strcasestr(line + 11, "close") != NULL;
}

/* One line has ended; what it means depends on where we are. */
static inline void read_line(Response *response) {
    char *line = response->line;
    bool empty = response->length == 0;
    line[response->length] = 0;
    response->length = 0;
    switch (response->part) {
    case STATUS_LINE:
        response->status = strncmp(line, "HTTP/1.", 7) || strlen(line) < 12 ? 0 : atoi(line + 9);
        response->part = response->status >= 100 && response->status <= 599 ? HEADER : BROKEN;
        break;
    case HEADER:
        if (empty) end_of_headers(response);
        else read_header(response);
        break;
    case CHUNK_SIZE:
        response->left = strtoll(line, NULL, 16);
        response->part = empty || response->left < 0 ? BROKEN : response->left ? CHUNK : TRAILER;
        break;
    case CHUNK_END: response->part = empty ? CHUNK_SIZE : BROKEN; break;
    case TRAILER:
        if (empty) response->part = WHOLE;
        break;
    default: response->part = BROKEN;
    }
}

/* Take in bytes that arrived. An answer that brings more than its own bytes is broken: we never ask twice before an answer. */
static inline void feed(Response *response, const char *data, size_t size) {
    size_t at = 0;
    while (at < size && response->part != BROKEN) {
        if (response->part == WHOLE) {
            response->part = BROKEN;
        } else if (response->part == BODY || response->part == CHUNK) {
            size_t step = (int64_t)(size - at) < response->left ? size - at : (size_t)response->left;
            at += step;
            response->left -= (int64_t)step;
            if (!response->left) response->part = response->part == BODY ? WHOLE : CHUNK_END;
        } else {
            char byte = data[at++];
            if (byte == '\n') read_line(response);
            else if (response->length == LINE_BYTES - 1) response->part = BROKEN;
            else if (byte != '\r') response->line[response->length++] = byte;
        }
    }
}

#endif
