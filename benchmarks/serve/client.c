/* An open-loop HTTP/1.1 load client for this machine: requests are due when the schedule says so, whatever the server does.
 *
 *     cc -std=c11 -O2 -D_GNU_SOURCE client.c -lm -o client
 *     ./client --port 8000 --path /v1/recommendations --bodies bodies.jsonl --rate 1000 --seconds 10
 *
 * A latency is counted from the moment at which a request was due, not from the moment at which it could be sent: a server that
 * stalls makes those behind it late, and they say so ("coordinated omission"; Gil Tene, How NOT to Measure Latency, 2015).
 * Keep-alive connections, one request at a time on each, taken in turn; a request that is due while all are busy waits for one.
 * A request that waited for its time limit is a timeout, and stands in the latencies with that limit. Loopback only, bounded in
 * time, connections and rate. Prints one JSON object. Exit status: 0 measured, 2 wrong arguments, 3 nobody listens.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"
#include "options.h"
#include "response.h"

enum { HEAD_BYTES = 4096 };
static const int64_t SECOND = 1000000000, SWEEP = 10000000; /* ns */

typedef struct {
    char *bytes;
    size_t length;
} Request;

typedef struct {
    int64_t due;
    bool measured; /* not of the warm-up */
    const Request *request;
} Arrival;

typedef enum { CLOSED, CONNECTING, IDLE, SENDING, WAITING } State;

typedef struct {
    int fd;
    State state;
    Arrival arrival;
    size_t sent;
    Response response;
} Connection;

typedef struct {
    uint64_t sent, done, good, errors, timeouts, reopened, status[600];
    int64_t last_done;
    Histogram latency, late;
} Counts;

typedef struct {
    const Options *options;
    Request *requests;
    size_t n_requests;
    Connection *connections;
    int epoll, timer, busy;
    int *idle; /* ring of connections with nothing to do, taken in turn */
    int idle_first, idle_count;
    Arrival *queue; /* ring of requests that are due and wait for a connection */
    size_t queue_first, queue_count, queue_size;
    int64_t next_due, begin, measured_from, end;
    uint64_t random, arrived; /* the seed alone fixes when requests are due and which they are */
    Counts counts;
} Load;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* splitmix64 (Steele, Lea and Flood, 2014): small, and good enough for arrivals. */
static uint64_t draw(Load *load) {
    uint64_t z = load->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* ---- requests ---- */

static Request make_request(const Options *options, const char *body, size_t length) {
    char head[HEAD_BYTES];
    size_t used = (size_t)snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", options->method, options->path,
                                   ntohs(options->address.sin_port));
    for (int i = 0; i < options->headers && used < sizeof head; i++)
        used += (size_t)snprintf(head + used, sizeof head - used, "%s\r\n", options->header[i]);
    if (length && used < sizeof head)
        used += (size_t)snprintf(head + used, sizeof head - used, "Content-Length: %zu\r\n", length);
    if (used + 2 >= sizeof head) fail(2, "path and headers take more than %d bytes", HEAD_BYTES);
    memcpy(head + used, "\r\n", 2);
    used += 2;
    Request request = {take(used + length, 1), used + length};
    memcpy(request.bytes, head, used);
    if (length) memcpy(request.bytes + used, body, length);
    return request;
}

/* One request for each line of the file of bodies; one without a body where there is no file. */
static void read_requests(Load *load) {
    const Options *options = load->options;
    size_t room = 1024, size = 0;
    load->requests = take(room, sizeof(Request));
    if (!options->bodies) {
        load->requests[load->n_requests++] = make_request(options, NULL, 0);
        return;
    }
    FILE *file = fopen(options->bodies, "r");
    if (!file) fail(2, "cannot read the bodies at %s: %s", options->bodies, strerror(errno));
    char *line = NULL;
    ssize_t length;
    while ((length = getline(&line, &size, file)) >= 0) {
        if (length && line[length - 1] == '\n') length--;
        if (!length) continue;
        if (load->n_requests == room) {
            room *= 2;
            load->requests = realloc(load->requests, room * sizeof(Request));
            if (!load->requests) fail(2, "no memory for %zu requests", room);
        }
        load->requests[load->n_requests++] = make_request(options, line, (size_t)length);
    }
    free(line);
    fclose(file);
    if (!load->n_requests) fail(2, "%s holds no body; one JSON object a line is expected", options->bodies);
}

/* ---- connections ---- */

static void watch(Load *load, int place, uint32_t events, int change) {
    struct epoll_event event = {.events = events, .data.u32 = (uint32_t)place};
    if (epoll_ctl(load->epoll, change, load->connections[place].fd, &event)) fail(2, "epoll_ctl: %s", strerror(errno));
}

static void rest(Load *load, int place) {
    load->connections[place].state = IDLE;
    load->idle[(load->idle_first + load->idle_count++) % load->options->connections] = place;
}

/* Open one connection without waiting; one that is refused stays closed until the next sweep. */
static bool open_connection(Load *load, int place) {
    Connection *connection = &load->connections[place];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    if (fd < 0) fail(2, "socket: %s; raise the limit of open files", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const struct sockaddr *address = (const struct sockaddr *)&load->options->address;
    bool made = !connect(fd, address, sizeof load->options->address);
    if (!made && errno != EINPROGRESS) {
        close(fd);
        connection->state = CLOSED;
        return false;
    }
    connection->fd = fd;
    connection->state = CONNECTING;
    watch(load, place, made ? EPOLLIN : EPOLLOUT, EPOLL_CTL_ADD);
    if (made) rest(load, place);
    return true;
}

static void forget_idle(Load *load, int place) {
    int size = load->options->connections, kept = 0;
    for (int i = 0; i < load->idle_count; i++) {
        int other = load->idle[(load->idle_first + i) % size];
        if (other != place) load->idle[(load->idle_first + kept++) % size] = other;
    }
    load->idle_count = kept;
}

static void reopen(Load *load, int place) {
    Connection *connection = &load->connections[place];
    if (connection->state == IDLE) forget_idle(load, place);
    close(connection->fd);
    load->counts.reopened++;
    open_connection(load, place);
}

/* ---- what became of a request ---- */

static void note_latency(Load *load, Arrival arrival, int64_t now) {
    record(&load->counts.latency, (now - arrival.due) / 1000);
}

static void note_timeout(Load *load, Arrival arrival, int64_t now) {
    if (!arrival.measured) return;
    load->counts.timeouts++;
    note_latency(load, arrival, now);
}

static void note_error(Load *load, int place) {
    Connection *connection = &load->connections[place];
    if (connection->state != SENDING && connection->state != WAITING) return;
    load->busy--;
    if (connection->arrival.measured) load->counts.errors++;
}

static void note_answer(Load *load, int place) {
    Connection *connection = &load->connections[place];
    int64_t now = now_ns();
    load->busy--;
    if (!connection->arrival.measured) return;
    load->counts.done++;
    load->counts.status[connection->response.status]++;
    load->counts.good += connection->response.status / 100 == 2;
    load->counts.last_done = now;
    note_latency(load, connection->arrival, now);
}

static void lose(Load *load, int place) {
    note_error(load, place);
    reopen(load, place);
}

/* ---- sending and receiving ---- */

static void send_rest(Load *load, int place) {
    Connection *connection = &load->connections[place];
    const Request *request = connection->arrival.request;
    ssize_t sent = send(connection->fd, request->bytes + connection->sent, request->length - connection->sent, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        lose(load, place);
        return;
    }
    connection->sent += sent > 0 ? (size_t)sent : 0;
    State next = connection->sent == request->length ? WAITING : SENDING;
    bool was_blocked = connection->state == SENDING;
    connection->state = next;
    if (next == SENDING && !was_blocked) watch(load, place, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    if (next == WAITING && was_blocked) watch(load, place, EPOLLIN, EPOLL_CTL_MOD);
}

static void start_request(Load *load, int place, Arrival arrival) {
    Connection *connection = &load->connections[place];
    connection->arrival = arrival;
    connection->sent = 0;
    connection->state = WAITING;
    begin_response(&connection->response);
    load->busy++;
    load->counts.sent += arrival.measured;
    send_rest(load, place);
}

static void receive(Load *load, int place) {
    static char data[1 << 16];
    Connection *connection = &load->connections[place];
    ssize_t size = recv(connection->fd, data, sizeof data, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0 || (connection->state != WAITING && connection->state != SENDING)) {
        lose(load, place);
        return;
    }
    feed(&connection->response, data, (size_t)size);
    if (connection->response.part == BROKEN) {
        lose(load, place);
    } else if (connection->response.part == WHOLE) {
        note_answer(load, place);
        if (connection->response.close || connection->state == SENDING) {
            connection->state = CONNECTING;
            reopen(load, place);
        } else {
            rest(load, place);
        }
    }
}

static void finish_connecting(Load *load, int place) {
    Connection *connection = &load->connections[place];
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        close(connection->fd);
        connection->state = CLOSED;
        return;
    }
    watch(load, place, EPOLLIN, EPOLL_CTL_MOD);
    rest(load, place);
}

static void react(Load *load, const struct epoll_event *event) {
    int place = (int)event->data.u32;
    State state = load->connections[place].state;
    if (state == CLOSED) return;
    if (state == CONNECTING) finish_connecting(load, place);
    else if (event->events & (EPOLLIN | EPOLLERR | EPOLLHUP)) receive(load, place);
    else if (state == SENDING) send_rest(load, place);
}

/* ---- the schedule ---- */

static void next_arrival(Load *load) {
    const Options *options = load->options;
    load->arrived++;
    if (options->poisson) {
        double share = (double)(draw(load) >> 11) * 0x1p-53;
        load->next_due += (int64_t)(-log1p(-share) / options->rate * (double)SECOND);
    } else {
        load->next_due = load->begin + (int64_t)((double)load->arrived / options->rate * (double)SECOND);
    }
}

static void take_arrivals(Load *load) {
    int64_t now = now_ns();
    while (load->next_due < load->end && load->next_due <= now) {
        Arrival arrival = {load->next_due, load->next_due >= load->measured_from, &load->requests[draw(load) % load->n_requests]};
        if (arrival.measured) record(&load->counts.late, (now - arrival.due) / 1000);
        if (load->queue_count == load->queue_size) fail(2, "%zu requests wait; this is a bug of the client", load->queue_size);
        load->queue[(load->queue_first + load->queue_count++) % load->queue_size] = arrival;
        next_arrival(load);
    }
}

static void dispatch(Load *load) {
    int64_t now = now_ns(), limit = (int64_t)(load->options->timeout_s * (double)SECOND);
    while (load->queue_count) {
        Arrival arrival = load->queue[load->queue_first];
        bool too_late = now - arrival.due > limit;
        if (!too_late && !load->idle_count) return;
        load->queue_first = (load->queue_first + 1) % load->queue_size;
        load->queue_count--;
        if (too_late) {
            note_timeout(load, arrival, now);
            continue;
        }
        int place = load->idle[load->idle_first];
        load->idle_first = (load->idle_first + 1) % load->options->connections;
        load->idle_count--;
        start_request(load, place, arrival);
    }
}

/* Give up what waited too long, and try again to open what is closed. */
static void sweep(Load *load) {
    int64_t now = now_ns(), limit = (int64_t)(load->options->timeout_s * (double)SECOND);
    for (int place = 0; place < load->options->connections; place++) {
        Connection *connection = &load->connections[place];
        if (connection->state == CLOSED) {
            open_connection(load, place);
        } else if ((connection->state == WAITING || connection->state == SENDING) && now - connection->arrival.due > limit) {
            note_timeout(load, connection->arrival, now);
            load->busy--;
            connection->state = CONNECTING;
            reopen(load, place);
        }
    }
}

static void sleep_until(Load *load, int64_t moment) {
    struct itimerspec when = {.it_value = {moment / SECOND, moment % SECOND}};
    timerfd_settime(load->timer, TFD_TIMER_ABSTIME, &when, NULL);
    struct epoll_event events[256];
    int count = epoll_wait(load->epoll, events, 256, 1000);
    for (int i = 0; i < count; i++)
        if (events[i].data.u32 != UINT32_MAX) react(load, &events[i]);
}

static void prepare(Load *load) {
    const Options *options = load->options;
    size_t count = (size_t)options->connections;
    load->connections = take(count, sizeof(Connection));
    load->idle = take(count, sizeof(int));
    load->queue_size = (size_t)(options->rate * (options->timeout_s + 2.0) * 2.0) + 1024;
    load->queue = take(load->queue_size, sizeof(Arrival));
    load->epoll = epoll_create1(0);
    load->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = UINT32_MAX};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, load->timer, &event)) fail(2, "epoll_ctl: %s", strerror(errno));
    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    read_requests(load);
    for (int place = 0; place < options->connections; place++) open_connection(load, place);
    for (int tries = 0; load->idle_count < options->connections && tries < 50; tries++) sleep_until(load, now_ns() + SWEEP);
    if (load->idle_count < options->connections)
        fail(3, "%d of %d connections to 127.0.0.1:%d could be opened", load->idle_count, options->connections,
             ntohs(options->address.sin_port));
}

static void run(Load *load) {
    const Options *options = load->options;
    load->begin = load->next_due = now_ns() + SWEEP;
    load->measured_from = load->begin + (int64_t)(options->warmup_s * (double)SECOND);
    load->end = load->measured_from + (int64_t)(options->seconds * (double)SECOND);
    int64_t next_sweep = load->begin + SWEEP, all_over = load->end + (int64_t)((options->timeout_s + 1.0) * (double)SECOND);
    for (;;) {
        take_arrivals(load);
        dispatch(load);
        int64_t now = now_ns();
        if (now >= next_sweep) {
            sweep(load);
            next_sweep = now + SWEEP;
        }
        bool arrivals_over = load->next_due >= load->end;
        if ((arrivals_over && !load->queue_count && !load->busy) || now > all_over) return;
        sleep_until(load, arrivals_over || next_sweep < load->next_due ? next_sweep : load->next_due);
    }
}

/* ---- telling ---- */

static void print_quantiles(const Histogram *seen) {
    printf("{\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"p99.9\": %.3f, \"max\": %.3f}", quantile_ms(seen, 0.5),
           quantile_ms(seen, 0.9), quantile_ms(seen, 0.99), quantile_ms(seen, 0.999), (double)seen->max_us / 1000.0);
}

static void print_counts(const Load *load) {
    const Counts *counts = &load->counts;
    int64_t until = counts->last_done > load->end ? counts->last_done : load->end;
    double seconds = (double)(until - load->measured_from) / (double)SECOND;
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double cpu_s = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) + (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    printf("{\"due\": %" PRIu64 ", \"sent\": %" PRIu64 ", \"done\": %" PRIu64 ", \"errors\": %" PRIu64 ", \"timeouts\": %" PRIu64 ", \"reopened\": %" PRIu64,
           counts->late.total, counts->sent, counts->done, counts->errors, counts->timeouts, counts->reopened);
    printf(", \"status\": {");
    for (int status = 0, first = 1; status < 600; status++)
        if (counts->status[status]) {
            printf("%s\"%d\": %" PRIu64, first ? "" : ", ", status, counts->status[status]);
            first = 0;
        }
    printf("}, \"asked_rate\": %.3f, \"good_rate\": %.3f, \"latency_ms\": ", load->options->rate, (double)counts->good / seconds);
    print_quantiles(&counts->latency);
    printf(", \"client_late_ms\": ");
    print_quantiles(&counts->late);
    printf(", \"client_cpu_s\": %.3f, \"seconds\": %.3f}\n", cpu_s, seconds);
}

int main(int count, char **values) {
    Options options = read_arguments(count, values);
    alarm((unsigned)(options.warmup_s + options.seconds + options.timeout_s) + 30); /* whatever happens, it ends */
    Load *load = take(1, sizeof(Load));
    load->options = &options;
    load->random = options.seed;
    prepare(load);
    run(load);
    print_counts(load);
    return 0;
}
