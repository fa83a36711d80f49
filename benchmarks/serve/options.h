/* What the client is told to do, and the two ways in which it stops: wrong arguments (2), nobody listens (3). */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <arpa/inet.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CONNECTIONS = 2048, MOST_RATE = 200000, MOST_SECONDS = 600, MOST_HEADERS = 16 };

typedef struct {
    struct sockaddr_in address;
    const char *method, *path, *bodies, *header[MOST_HEADERS];
    int headers, connections;
    double rate, seconds, warmup_s, timeout_s;
    bool poisson;
    uint64_t seed;
} Options;

static void fail(int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("client: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(status);
}

static void *take(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) fail(2, "no memory for %zu x %zu bytes", count, size);
    return memory;
}

static double number(const char *name, const char *text, double least, double most) {
    char *rest_of = NULL;
    double value = strtod(text, &rest_of);
    if (rest_of == text || *rest_of || !(value >= least && value <= most))
        fail(2, "--%s is %s; expected a number from %g to %g", name, text, least, most);
    return value;
}

static void set_host(Options *options, const char *text) {
    struct in_addr address;
    if (inet_pton(AF_INET, text, &address) != 1 || (ntohl(address.s_addr) >> 24) != 127)
        fail(2, "--host is %s; this client only loads its own machine: an address such as 127.0.0.1 is expected", text);
    options->address.sin_addr = address;
}

static void add_header(Options *options, const char *text) {
    if (options->headers == MOST_HEADERS) fail(2, "at most %d headers", MOST_HEADERS);
    if (!strchr(text, ':') || strpbrk(text, "\r\n")) fail(2, "--header is %s; expected NAME: VALUE on one line", text);
    options->header[options->headers++] = text;
}

static void set_option(Options *options, const char *name, const char *value) {
    if (!strcmp(name, "host")) set_host(options, value);
    else if (!strcmp(name, "port")) options->address.sin_port = htons((uint16_t)number(name, value, 1, 65535));
    else if (!strcmp(name, "path")) options->path = value;
    else if (!strcmp(name, "method")) options->method = value;
    else if (!strcmp(name, "bodies")) options->bodies = value;
    else if (!strcmp(name, "header")) add_header(options, value);
    else if (!strcmp(name, "rate")) options->rate = number(name, value, 0.1, MOST_RATE);
    else if (!strcmp(name, "connections")) options->connections = (int)number(name, value, 1, MOST_CONNECTIONS);
    else if (!strcmp(name, "seconds")) options->seconds = number(name, value, 0.1, MOST_SECONDS);
    else if (!strcmp(name, "warmup-s")) options->warmup_s = number(name, value, 0, MOST_SECONDS);
    else if (!strcmp(name, "timeout-s")) options->timeout_s = number(name, value, 0.01, 60);
    else if (!strcmp(name, "seed")) options->seed = (uint64_t)number(name, value, 0, 9007199254740992.0);
    else options->poisson = number(name, value, 0, 1) != 0.0;
}

static Options read_arguments(int count, char **values) {
    static const char *names[] = {"host",        "port",    "path",     "method",    "bodies", "header", "rate",
                                  "connections", "seconds", "warmup-s", "timeout-s", "seed",   "poisson"};
    enum { NAMES = sizeof names / sizeof *names };
    struct option known[NAMES + 1] = {0};
    for (int i = 0; i < NAMES; i++) known[i] = (struct option){names[i], required_argument, NULL, 0};
    Options options = {.method = "POST", .path = "/", .connections = 64, .rate = 100, .seconds = 5, .timeout_s = 2, .seed = 1};
    options.address.sin_family = AF_INET;
    options.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int place, code; (code = getopt_long(count, values, "", known, &place)) != -1;) {
        if (code == '?') exit(2);
        set_option(&options, names[place], optarg);
    }
    if (!options.address.sin_port) fail(2, "--port is missing");
    if (optind < count) fail(2, "%s is no option", values[optind]);
    return options;
}

#endif
