/* The least that receiving can cost: takes N connections, asks each for its configuration and its data, and from then
   on calls recv once a frame, and nothing else: no check, no decoding, no disk.

     baseline --listen PORT --frame BYTES

   `load` plays the devices. SIGTERM: a JSON line with the frames received and the CPU used, and it leaves. */
#define _GNU_SOURCE
#include "synchrophasor.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CONNECTIONS = 65536 };

static volatile sig_atomic_t leaving;
static uint8_t configured[CONNECTIONS];
static long long bytes, calls, connections;

static void leave(int number) { (void)number, leaving = 1; }

static int listen_at(int port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096)) { perror("baseline"); exit(1); }
    return fd;
}

static void ask(int fd, unsigned what) {
    uint8_t frame[COMMAND_SIZE];
    size_t size = command(frame, 1, 0, what);
    if (send(fd, frame, size, MSG_NOSIGNAL) < 0) close(fd);
}

static void answer(int poll_fd, int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
        configured[fd] = 0, connections++;
        ask(fd, SEND_CONFIGURATION_2);
    }
}

int main(int count, char **words) {
    int port = 0, frame = DATA_SIZE;
    for (int i = 1; i + 1 < count; i += 2)
        if (!strcmp(words[i], "--listen")) port = atoi(words[i + 1]);
        else if (!strcmp(words[i], "--frame")) frame = atoi(words[i + 1]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < CONNECTIONS ? files.rlim_max : CONNECTIONS;
    setrlimit(RLIMIT_NOFILE, &files);
    make_crc_table();
    signal(SIGTERM, leave), signal(SIGINT, leave);
    int poll_fd = epoll_create1(0), listener = listen_at(port);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listener, &event);
    static struct epoll_event events[1024];
    static uint8_t buffer[65536];
    while (!leaving) {
        int ready = epoll_wait(poll_fd, events, 1024, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) { answer(poll_fd, listener); continue; }
            ssize_t came = recv(fd, buffer, configured[fd] ? (size_t)frame : sizeof buffer, 0);
            if (came <= 0) { if (came == 0 || errno != EAGAIN) close(fd); continue; }
            if (configured[fd]) { bytes += came, calls++; continue; }
            configured[fd] = 1; /* what came is its configuration */
            ask(fd, DATA_ON);
        }
    }
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"connections\": %lld, \"frames\": %lld, \"calls\": %lld, \"cpu\": %.4f}\n", connections, bytes / frame, calls,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + 1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec));
    return 0;
}
