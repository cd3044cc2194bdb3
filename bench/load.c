/* A load generator for one endpoint: HTTP/1.1 with keep-alive, one thread, epoll; a JSON summary on stdout.
 *
 * usage: load --port N --body FILE [--path P] [--key K] [--connections N] [--duration-s S] [--rate R] [--hold]
 *   Closed loop by default: each connection sends its next request when the reply has ended.
 *   --rate R   R requests a second over all connections instead (connections that are busy are passed over).
 *   --hold     one stream per connection: prints "holding N" when each had its first data, then waits for the
 *              end of stdin and leaves. Replies are then not expected to end.
 * Figures cover requests that began and ended inside the run. A "chunk" is one "data:" line of an event stream.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, HEAD_BYTES_MAX = 8192, READ_BYTES = 1 << 16, SAMPLES_MAX = 1 << 21 };
enum part { HEAD, LENGTH_BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

struct conn {
    int fd, busy, first_seen, status;
    enum part part;
    char head[HEAD_BYTES_MAX];
    size_t head_len, left, request_sent;
    int size_digits, line_len;
    unsigned match; /* how much of "data:" was just seen */
    uint64_t begun_ns;
};

static int epoll_fd, hold, connections = 64;
static int port;
static double duration_s = 3, rate;
static char *request;
static size_t request_len;
static struct conn *conns;
static uint32_t *total_us, *first_us;
static size_t samples, firsts;
static uint64_t replies, chunks, errors, bad_status, body_bytes, streams_open;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void join(struct conn *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to)) {
        perror("load: connect");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->busy = 0;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET | EPOLLOUT, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static void push_request(struct conn *c) {
    while (c->request_sent < request_len) {
        ssize_t n = send(c->fd, request + c->request_sent, request_len - c->request_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) return; /* the edge of EPOLLOUT or the read side will tell */
        c->request_sent += (size_t)n;
    }
}

static void begin(struct conn *c) {
    c->busy = 1;
    c->first_seen = 0;
    c->part = HEAD;
    c->head_len = c->request_sent = 0;
    c->match = 0;
    c->begun_ns = now_ns();
    push_request(c);
}

static void fail(struct conn *c) {
    errors++;
    close(c->fd);
    join(c);
}

static void finish(struct conn *c) {
    c->busy = 0;
    if (c->status != 200) bad_status++;
    else replies++;
    if (samples < SAMPLES_MAX) total_us[samples++] = (uint32_t)((now_ns() - c->begun_ns) / 1000);
}

static void look_at_body(struct conn *c, const char *data, size_t len) {
    static const char word[] = "data:";
    body_bytes += len;
    if (!c->first_seen) {
        c->first_seen = 1;
        streams_open++;
        if (firsts < SAMPLES_MAX) first_us[firsts++] = (uint32_t)((now_ns() - c->begun_ns) / 1000);
    }
    const char *at = data, *end = data + len;
    while (at < end) {
        if (!c->match && !(at = memchr(at, 'd', (size_t)(end - at)))) return;
        c->match = *at == word[c->match] ? c->match + 1 : *at == 'd';
        at++;
        if (c->match == 5) chunks++, c->match = 0;
    }
}

static int read_head(struct conn *c) {
    c->head[c->head_len] = 0;
    c->status = c->head_len > 12 ? atoi(c->head + 9) : 0;
    char *length = strcasestr(c->head, "\ncontent-length:");
    if (length) {
        c->left = strtoul(length + 16, NULL, 10);
        c->part = LENGTH_BODY;
        return c->left == 0;
    }
    c->part = CHUNK_SIZE;
    c->left = 0;
    c->size_digits = 1;
    return strcasestr(c->head, "\ntransfer-encoding: chunked") ? 0 : -1;
}

/* 1 = the reply ended with these bytes, 0 = goes on, -1 = not HTTP as we know it */
static int feed(struct conn *c, const char *data, size_t len) {
    size_t i = 0;
    while (i < len) {
        if (c->part == HEAD) {
            if (c->head_len >= HEAD_BYTES_MAX - 1) return -1;
            c->head[c->head_len++] = data[i++];
            if (data[i - 1] == '\n' && c->head_len >= 4 && !memcmp(c->head + c->head_len - 4, "\r\n\r\n", 4)) {
                int done = read_head(c);
                if (done) return done;
            }
        } else if (c->part == LENGTH_BODY || c->part == CHUNK_DATA) {
            size_t n = len - i < c->left ? len - i : c->left;
            look_at_body(c, data + i, n);
            i += n;
            if ((c->left -= n) == 0) {
                if (c->part == LENGTH_BODY) return 1;
                c->part = CHUNK_END;
            }
        } else if (c->part == CHUNK_END) {
            if (data[i++] == '\n') c->part = CHUNK_SIZE, c->left = 0, c->size_digits = 1;
        } else if (c->part == CHUNK_SIZE) {
            char b = data[i++];
            if (b == '\n') c->part = c->left ? CHUNK_DATA : TRAILER, c->line_len = 0;
            else if (b == ';') c->size_digits = 0;
            else if (c->size_digits && b != '\r')
                c->left = c->left * 16 + (size_t)(b <= '9' ? b - '0' : (b | 32) - 'a' + 10);
        } else {
            char b = data[i++];
            if (b == '\n' && c->line_len == 0) return 1;
            if (b == '\n') c->line_len = 0;
            else if (b != '\r') c->line_len++;
        }
    }
    return 0;
}

static void take_event(struct conn *c, uint32_t events) {
    static char buffer[READ_BYTES];
    if (c->busy && (events & EPOLLOUT)) push_request(c);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    for (;;) {
        ssize_t n = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            if (c->busy) fail(c);
            else close(c->fd), join(c);
            return;
        }
        int done = c->busy ? feed(c, buffer, (size_t)n) : -1;
        if (done < 0) {
            fail(c);
            return;
        }
        if (done) {
            finish(c);
            if (!rate) begin(c);
        }
    }
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_percentiles(const char *name, uint32_t *values, size_t n) {
    qsort(values, n, sizeof *values, by_value);
    printf(", \"%s\": {\"p50\": %u, \"p90\": %u, \"p99\": %u, \"max\": %u}", name, n ? values[n / 2] : 0,
        n ? values[n * 9 / 10] : 0, n ? values[n * 99 / 100] : 0, n ? values[n - 1] : 0);
}

static void load_request(const char *path, const char *body_file, const char *key) {
    FILE *file = fopen(body_file, "rb");
    if (!file) {
        perror(body_file);
        exit(1);
    }
    static char body[1 << 20];
    size_t len = fread(body, 1, sizeof body, file);
    fclose(file);
    request = malloc(len + 1024);
    request_len = (size_t)sprintf(request,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
        "Accept: application/json\r\nUser-Agent: load\r\nContent-Length: %zu\r\n\r\n", path, key, len);
    memcpy(request + request_len, body, len);
    request_len += len;
}

static void spend(double tokens) {
    static int at;
    for (int looked = 0; tokens >= 1 && looked < connections; looked++, at = (at + 1) % connections) {
        if (conns[at].busy) continue;
        begin(&conns[at]);
        tokens -= 1;
    }
}

static void run(void) {
    static struct epoll_event events[EVENTS];
    uint64_t start = now_ns(), last = start, stop = start + (uint64_t)(duration_s * 1e9);
    double tokens = 0;
    if (!rate) for (int i = 0; i < connections; i++) begin(&conns[i]);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, rate ? 1 : 100);
        for (int i = 0; i < n; i++) take_event(events[i].data.ptr, events[i].events);
        uint64_t now = now_ns();
        if (rate) {
            tokens += rate * (double)(now - last) / 1e9;
            last = now;
            spend(tokens);
            tokens -= (double)(long)tokens;
        }
        if (hold && streams_open >= (uint64_t)connections) {
            printf("holding %d\n", connections);
            fflush(stdout);
            while (getchar() != EOF) {}
            return;
        }
        if (now >= stop) return;
    }
}

int main(int argc, char **argv) {
    const char *path = "/v1/chat/completions", *body = NULL, *key = "none";
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (!strcmp(name, "--hold")) { hold = 1; continue; }
        const char *value = ++i < argc ? argv[i] : "";
        if (!strcmp(name, "--port")) port = atoi(value);
        else if (!strcmp(name, "--body")) body = value;
        else if (!strcmp(name, "--path")) path = value;
        else if (!strcmp(name, "--key")) key = value;
        else if (!strcmp(name, "--connections")) connections = atoi(value);
        else if (!strcmp(name, "--duration-s")) duration_s = atof(value);
        else if (!strcmp(name, "--rate")) rate = atof(value);
        else { fprintf(stderr, "load: unknown option %s\n", name); return 2; }
    }
    if (!port || !body) { fprintf(stderr, "load: --port and --body are needed\n"); return 2; }
    load_request(path, body, key);
    total_us = malloc(SAMPLES_MAX * sizeof *total_us);
    first_us = malloc(SAMPLES_MAX * sizeof *first_us);
    conns = calloc((size_t)connections, sizeof *conns);
    epoll_fd = epoll_create1(0);
    for (int i = 0; i < connections; i++) join(&conns[i]);
    uint64_t start = now_ns();
    run();
    double took = (double)(now_ns() - start) / 1e9;
    printf("{\"seconds\": %.3f, \"replies\": %lu, \"chunks\": %lu, \"errors\": %lu, \"bad_status\": %lu, \"body_bytes\": %lu",
        took, replies, chunks, errors, bad_status, body_bytes);
    print_percentiles("total_us", total_us, samples);
    print_percentiles("first_byte_us", first_us, firsts);
    printf("}\n");
    return 0;
}
