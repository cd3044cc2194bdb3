/* A model server that costs next to nothing: HTTP/1.1 with keep-alive, one thread, epoll.
 *
 * The model named in the request decides the answer:
 *   bench-json        a JSON completion of about 900 bytes
 *   bench-burst-N     an event stream of N chunks, one every 2 ms: too fast to sleep between, too slow to
 *                     melt into one read, so that each chunk is forwarded by itself
 *   bench-flood-N     an event stream of N chunks as fast as the socket takes them; a reader gets many at once
 *   bench-paced-N     an event stream of N chunks, one every 20 ms
 *   bench-hold        an event stream that never ends by itself, one chunk a second
 * Every stream ends with a usage chunk and [DONE]. Usage is always 250 in and N (JSON: 180) out.
 * A request to a path that ends in /messages is answered in the Messages dialect, with the same text at the same pace.
 *
 * usage: mock_upstream PORT     (0 = any; the port is printed on stdout once it listens)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { REQUEST_BYTES_MAX = 1 << 20, SLOTS = 10, TICK_MS = 2, HOLD_TURNS = 50, EVENTS = 512, REPLY_BYTES = 900 };
enum mode { IDLE, BURST, FLOOD, PACED, HOLD };

/* What an upstream of one dialect says. */
struct speech {
    char json[2048], begin[1024], chunk[512]; /* a whole reply; a stream's head with what comes before its text; a piece */
    size_t json_len, begin_len, chunk_len;
    const char *end_format; /* of the frames behind the last piece; tokens in and out, in this order */
};

struct conn {
    int fd;
    enum mode mode;
    char *in;
    size_t in_len, in_cap;
    const char *out; /* what the socket did not take yet */
    size_t out_len;
    const struct speech *speech;
    char tail[640]; /* storage of a chunk that depends on the stream */
    long sent, chunks;
    unsigned turn;
    int watching_out;
    struct conn *next, **link; /* the list it stands in: a paced slot, or those without a pace */
};

static int epoll_fd;
static struct conn *slots[SLOTS], *bursting, *flooding;
static unsigned next_slot;
static struct speech chat, messages;

static const char STREAM_HEAD[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    "X-Request-Id: up-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

static size_t as_http_chunk(char *to, const char *text) {
    return (size_t)sprintf(to, "%zx\r\n%s\r\n", strlen(text), text);
}

/* A whole reply of REPLY_BYTES, its text filled up between head and end. */
static void set_json(struct speech *speech, const char *head, const char *end) {
    char body[1536], filler[1024];
    size_t fill = REPLY_BYTES - strlen(head) - strlen(end);
    for (size_t i = 0; i < fill; i++) filler[i] = "the quick brown fox jumps over a lazy dog "[i % 42];
    filler[fill] = 0;
    int len = snprintf(body, sizeof body, "%s%s%s", head, filler, end);
    speech->json_len = (size_t)snprintf(speech->json, sizeof speech->json,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: up-json\r\nContent-Length: %d\r\n\r\n%s", len, body);
}

static void set_stream(struct speech *speech, const char *begin, const char *chunk) {
    speech->begin_len = (size_t)sprintf(speech->begin, "%s", STREAM_HEAD);
    if (*begin) speech->begin_len += as_http_chunk(speech->begin + speech->begin_len, begin);
    speech->chunk_len = as_http_chunk(speech->chunk, chunk);
}

static void make_replies(void) {
    set_json(&chat,
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1772077478,\"model\":\"bench\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
        "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":250,\"completion_tokens\":180,\"total_tokens\":430,"
        "\"prompt_tokens_details\":{\"cached_tokens\":50,\"audio_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":20,\"audio_tokens\":0}},\"service_tier\":\"default\"}");
    set_stream(&chat, "",
        "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1772077478,\"model\":\"bench\","
        "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n");
    chat.end_format =
        "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1772077478,\"model\":\"bench\","
        "\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%ld}}\n\ndata: [DONE]\n\n";
    set_json(&messages,
        "{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench\",\"content\":[{\"type\":\"text\",\"text\":\"",
        "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":200,\"cache_creation_input_tokens\":0,"
        "\"cache_read_input_tokens\":50,\"output_tokens\":180,\"service_tier\":\"standard\"}}");
    set_stream(&messages,
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_bench\",\"type\":\"message\","
        "\"role\":\"assistant\",\"model\":\"bench\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"
        "\"usage\":{\"input_tokens\":250,\"output_tokens\":1}}}\n\n"
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
        "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
        "\"delta\":{\"type\":\"text_delta\",\"text\":\" token\"}}\n\n");
    messages.end_format =
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
        "\"usage\":{\"input_tokens\":%d,\"output_tokens\":%ld}}\n\n"
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
}

static void leave_slot(struct conn *c) {
    if (!c->link) return;
    *c->link = c->next;
    if (c->next) c->next->link = c->link;
    c->link = NULL;
    c->next = NULL;
}

static void enter(struct conn *c, struct conn **head) {
    c->next = *head;
    if (c->next) c->next->link = &c->next;
    c->link = head;
    *head = c;
}

static void drop(struct conn *c) {
    leave_slot(c);
    close(c->fd);
    free(c->in);
    free(c);
}

static void watch_out(struct conn *c, int on) {
    if (c->watching_out == on) return;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (on ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
    c->watching_out = on;
}

/* 1 = all gone out, 0 = the socket is full, -1 = the peer left */
static int put(struct conn *c, const char *data, size_t len) {
    ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return -1;
    if (n < 0) n = 0;
    c->out = data + n;
    c->out_len = len - (size_t)n;
    watch_out(c, c->out_len > 0);
    return c->out_len == 0;
}

static int put_ending(struct conn *c) {
    char text[560];
    snprintf(text, sizeof text, c->speech->end_format, 250, c->chunks);
    size_t len = as_http_chunk(c->tail, text);
    memcpy(c->tail + len, "0\r\n\r\n", 5);
    leave_slot(c);
    c->mode = IDLE;
    return put(c, c->tail, len + 5);
}

static int put_chunk(struct conn *c) {
    if (c->sent == c->chunks && c->mode != HOLD) return put_ending(c);
    c->sent++;
    return put(c, c->speech->chunk, c->speech->chunk_len);
}

/* A chunk for every stream of a list whose socket has room; false if none had any. */
static int put_chunks(struct conn *list) {
    int wrote = 0;
    for (struct conn *c = list, *next; c; c = next) {
        next = c->next;
        if (c->out_len) continue; /* a reader slower than the pace */
        if (c->mode == HOLD && ++c->turn % HOLD_TURNS) continue;
        wrote = 1;
        if (put_chunk(c) < 0) drop(c);
    }
    return wrote;
}

static int answer(struct conn *c, char *body, size_t len) {
    char *model = memmem(body, len, "bench-", 6);
    if (!model) return -1;
    model += 6;
    if (!strncmp(model, "json", 4)) return put(c, c->speech->json, c->speech->json_len);
    c->sent = 0;
    c->chunks = strncmp(model, "hold", 4) ? atol(model + 6) : 0;
    c->mode = !strncmp(model, "burst-", 6) ? BURST : !strncmp(model, "flood-", 6) ? FLOOD
        : !strncmp(model, "paced-", 6) ? PACED : HOLD;
    int done = put(c, c->speech->begin, c->speech->begin_len);
    if (done == 1) done = put_chunk(c);
    enter(c, c->mode == BURST ? &bursting : c->mode == FLOOD ? &flooding : &slots[next_slot++ % SLOTS]);
    return done;
}

/* Takes one whole request off the input, if there is one. */
static int next_request(struct conn *c) {
    if (c->mode != IDLE || c->out_len || c->in_len < 4) return 1;
    char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    if (!end) return 1;
    size_t length = 0, head = (size_t)(end - c->in) + 4;
    *end = 0;
    char *field = strcasestr(c->in, "\ncontent-length:");
    if (field) length = strtoul(field + 16, NULL, 10);
    char *path_end = memmem(c->in, head, " HTTP/", 6);
    c->speech = path_end && path_end - c->in >= 9 && !memcmp(path_end - 9, "/messages", 9) ? &messages : &chat;
    *end = '\r';
    if (c->in_len < head + length) return 1;
    int done = answer(c, c->in + head, length);
    c->in_len -= head + length;
    memmove(c->in, c->in + head + length, c->in_len);
    return done;
}

static int pull(struct conn *c) {
    for (;;) {
        if (c->in_cap - c->in_len < 4096) {
            c->in_cap = c->in_cap ? c->in_cap * 2 : 4096;
            if (c->in_cap > REQUEST_BYTES_MAX) return -1;
            c->in = realloc(c->in, c->in_cap + 1);
        }
        size_t room = c->in_cap - c->in_len;
        ssize_t n = recv(c->fd, c->in + c->in_len, room, 0);
        if (n == 0) return -1;
        if (n < 0) return errno == EAGAIN ? 1 : -1;
        c->in_len += (size_t)n;
        if ((size_t)n < room) return 1;
    }
}

static void take_event(struct conn *c, uint32_t events) {
    int done = events & (EPOLLERR | EPOLLHUP) ? -1 : 1;
    if (done == 1 && (events & EPOLLIN)) done = pull(c);
    if (done == 1 && c->out_len && (events & EPOLLOUT)) {
        done = put(c, c->out, c->out_len);
    }
    if (done == 1) done = next_request(c);
    if (done < 0) drop(c);
}

static void tick(void) {
    static unsigned turn;
    put_chunks(slots[turn++ % SLOTS]);
    put_chunks(bursting);
}

static void welcome(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct conn *c = calloc(1, sizeof *c);
        c->fd = fd;
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    address.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) {
        perror("mock_upstream");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    make_replies();
    epoll_fd = epoll_create1(0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every = {{0, TICK_MS * 1000000}, {0, TICK_MS * 1000000}};
    timerfd_settime(timer, 0, &every, NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    event.data.ptr = &timer;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer, &event);
    static struct epoll_event events[EVENTS];
    for (int busy = 0;;) {
        int ticks = 0, n = epoll_wait(epoll_fd, events, EVENTS, busy ? 0 : -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &listener) welcome(listener);
            else if (events[i].data.ptr == &timer) ticks = 1;
            else take_event(events[i].data.ptr, events[i].events);
        }
        uint64_t passed = 0;
        if (ticks && read(timer, &passed, sizeof passed) == sizeof passed)
            while (passed--) tick();
        busy = put_chunks(flooding);
    }
}
