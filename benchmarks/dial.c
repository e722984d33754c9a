/* Dials as fast as it can: how many connections a second are taken, and come through to who reads them?

     dial --to HOST:PORT --connections N [--at-once 64] [--hold SECONDS]

   Of the connections that have heard nothing from the other side yet there are never more than --at-once. A connection
   has come through when its first byte comes (a command of the master station). They are dialled from addresses
   127.1.x.y, a hundred each, so that nobody's limit for one address is met. At the end a JSON line: seconds from the
   first connect to the last first byte, and the time from connect to first byte of one connection, median and p99. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { FROM_EACH = 100 };

static struct sockaddr_in to = {.sin_family = AF_INET};
static int wanted = 1000, at_once = 64, poll_fd, dialled, through, failed;
static double hold;
static double *began, *waits;

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void dial(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1, caller = dialled / FROM_EACH;
    struct sockaddr_in from = {.sin_family = AF_INET};
    if (fd < 0) { perror("dial: socket"); exit(1); }
    from.sin_addr.s_addr = htonl(0x7F010001u + (uint32_t)(caller / 250 << 8) + (uint32_t)(caller % 250));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&from, sizeof from)) { perror("dial: bind"); exit(1); }
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)fd << 32 | (uint32_t)dialled};
    began[dialled++] = seconds();
    if (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) { failed++; close(fd); return; }
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void ready(uint64_t data) { /* its first byte, or its end; more is of no interest */
    uint8_t any[64];
    int fd = (int)(data >> 32);
    ssize_t came = recv(fd, any, sizeof any, 0);
    if (came < 0 && errno == EAGAIN) return;
    epoll_ctl(poll_fd, EPOLL_CTL_DEL, fd, NULL);
    if (came <= 0) { failed++; close(fd); return; }
    waits[through++] = seconds() - began[(uint32_t)data];
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **words) {
    for (int i = 1; i + 1 < count; i += 2) {
        char *value = words[i + 1], *colon = strchr(value, ':');
        if (!strcmp(words[i], "--connections")) wanted = atoi(value);
        else if (!strcmp(words[i], "--at-once")) at_once = atoi(value);
        else if (!strcmp(words[i], "--hold")) hold = atof(value);
        else if (!strcmp(words[i], "--to") && colon) {
            *colon = 0;
            inet_pton(AF_INET, value, &to.sin_addr);
            to.sin_port = htons((uint16_t)atoi(colon + 1));
        }
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    began = calloc((size_t)wanted, sizeof *began), waits = calloc((size_t)wanted, sizeof *waits);
    poll_fd = epoll_create1(0);
    double start = seconds(), last = start;
    while (through + failed < wanted && seconds() < last + 10) {
        struct epoll_event events[256];
        while (dialled < wanted && dialled - through - failed < at_once) dial();
        int some = epoll_wait(poll_fd, events, 256, 1000);
        for (int i = 0; i < some; i++) ready(events[i].data.u64);
        if (some > 0) last = seconds();
    }
    double took = last - start;
    qsort(waits, (size_t)through, sizeof *waits, ascending);
    printf("{\"dialled\": %d, \"through\": %d, \"failed\": %d, \"seconds\": %.4f, \"median_ms\": %.3f, \"p99_ms\": %.3f}\n",
           dialled, through, failed, took, through ? 1e3 * waits[through / 2] : 0, through ? 1e3 * waits[through * 99 / 100] : 0);
    fflush(stdout);
    if (hold > 0) usleep((useconds_t)(hold * 1e6));
    return 0;
}
