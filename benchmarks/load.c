/* Plays many devices from one thread, fast enough not to be what is measured: each dials the station, tells its
   configuration, and sends DATA when it is told to; one send a frame, stamps are UTC on the reporting grid.

     load --to HOST:PORT --devices N [--rate 50] [--seconds S] [--burst] [--rectangular] [--trip S] [--dial N]

   Devices send spread over the reporting period (--burst: all at once), 5 ms after the instant they measured. Values
   are those of a grid at rest, as algorithms/simulation.py has them: a walk of the frequency that all share, voltage
   and current that drift, white noise of each value; --trip S: S seconds after all send, 0.1 Hz are lost in 3 s.

   A JSON line a second on stdout, while it runs; the last one has `sent`, a number per device. Counted is a frame that
   the kernel took whole. A frame that falls due while the one before waits for the kernel is withheld: a device that
   is held up measures on. SIGUSR1: no more data, connections stay. SIGTERM, or S seconds after all sent their first
   frame: the connections are ended and read to their end, then it leaves. */
#define _GNU_SOURCE
#include "synchrophasor.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
enum { TICK = 1000000, DELAY = 5000000, NOISES = 1 << 14, LAGS = 200 };
#define STARVED (2 * SECOND)

struct device {
    int fd;                        /* -1: not connected */
    uint8_t connected, running, counts; /* counts: what is left in `out` is DATA */
    uint16_t left, at;             /* bytes in `out` that wait for the kernel */
    uint8_t heard, in[COMMAND_SIZE];
    uint32_t sent, withheld;
    int64_t again_at;
    uint64_t random;
    float voltage, current, angle; /* per unit, per unit, radians against the grid */
    uint8_t frame[DATA_SIZE], out[1024];
};

static struct { struct sockaddr_in to; int devices, rate, burst, rectangular, dial; double seconds, trip; } asked =
    {.rate = 50, .dial = 1000, .trip = INFINITY};
static struct device *devices;
static float noises[NOISES];
static int poll_fd, open_sockets, connected, running, broken;
static int64_t lags[LAGS + 1], worst_lag;      /* how late frames left us [ms] -> how many */
static volatile sig_atomic_t paused, leaving;
static struct { int64_t slot; double frequency, rocof, angle; } grid;
static int64_t began, trip_at;                 /* ns UTC: all sent; the first slot of the trip */

static int64_t clock_ns(clockid_t which) {
    struct timespec now;
    clock_gettime(which, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static uint64_t next_random(uint64_t *state) { /* xorshift64 */
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

static float noise(uint64_t random, int which) { return noises[random >> (16 * which) & (NOISES - 1)]; }

static void make_noises(void) { /* standard normal numbers, by Box and Muller */
    srand48(1);
    for (int i = 0; i < NOISES; i++)
        noises[i] = (float)(sqrt(-2 * log(1 - drand48())) * cos(2 * M_PI * drand48()));
}

/* The frequency that all share goes on to a slot: an Ornstein-Uhlenbeck walk about 50 Hz, 8 mHz, 20 s. */
static void move_grid(int64_t slot) {
    static double walk;
    static uint64_t random = 88172645463325252ULL;
    double step = 1.0 / asked.rate;
    if (!grid.slot) grid.slot = slot - 1;
    for (; grid.slot < slot; grid.slot++) {
        walk += -walk * step / 20 + 0.008 * sqrt(2 * step / 20) * noise(next_random(&random), 0);
        double since = trip_at ? (grid.slot + 1) * step - trip_at / 1e9 : -1;
        double before = grid.frequency, lost = since >= 0 ? 0.1 * (1 - exp(-since)) : 0;
        grid.frequency = 50 + walk - lost;
        grid.rocof = before ? (grid.frequency - before) / step : 0;
        grid.angle = fmod(grid.angle + 2 * M_PI * (grid.frequency - 50) * step, 2 * M_PI);
    }
}

static uint8_t *put_phasor(uint8_t *at, float magnitude, float angle) {
    if (asked.rectangular) return put_float(put_float(at, magnitude * cosf(angle)), magnitude * sinf(angle));
    return put_float(put_float(at, magnitude), remainderf(angle, 2 * (float)M_PI));
}

static void measure(struct device *d, int64_t slot) {
    const float third = 2 * (float)M_PI / 3, wander = 1e-4f, ohmic = 0.3f;
    uint64_t r = next_random(&d->random);
    d->voltage += (1 - d->voltage) * 1e-3f + wander * noise(r, 0);
    d->current += (1 - d->current) * 1e-3f + 5 * wander * noise(r, 1);
    float angle = (float)grid.angle + d->angle;
    int64_t in_second = slot % asked.rate;
    uint8_t *at = put32(put32(d->frame + 6, (uint32_t)(slot / asked.rate)), (uint32_t)(in_second * TIME_BASE / asked.rate));
    at += 2; /* STAT: good */
    for (int i = 0; i < PHASORS; i++) {
        if (i % 2 == 0) r = next_random(&d->random);
        float size = i < 3 ? 127017.0f * d->voltage : 400.0f * d->current;
        float exact = angle - (float)(i % 3) * third - (i < 3 ? 0 : ohmic);
        at = put_phasor(at, size * (1 + 3e-4f * noise(r, 2 * (i % 2))), exact + 1.75e-4f * noise(r, 2 * (i % 2) + 1));
    }
    r = next_random(&d->random);
    at = put_float(at, (float)grid.frequency + 5e-4f * noise(r, 0));
    at = put_float(at, (float)grid.rocof + 0.01f * noise(r, 1));
    float power = 3 * 127017.0f * 400.0f * d->voltage * d->current * 1e-6f;
    at = put_float(at, power * cosf(ohmic) * (1 + 3e-4f * noise(r, 2)));
    at = put_float(at, power * sinf(ohmic) * (1 + 3e-4f * noise(r, 3)));
    put16(d->frame + DATA_SIZE - 2, crc_ccitt(d->frame, DATA_SIZE - 2));
}

/* ---- connections ---- */

static void drop(struct device *d) {
    if (d->fd < 0) return;
    close(d->fd);
    open_sockets--, connected -= d->connected, running -= d->running, broken += !leaving;
    d->fd = -1, d->connected = d->running = 0, d->left = 0;
    d->again_at = clock_ns(CLOCK_MONOTONIC) + 3 * SECOND / 10;
}

static void dial(struct device *d) {
    int one = 1;
    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (d->fd < 0) { perror("load: socket"); exit(1); }
    open_sockets++;
    setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = d};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, d->fd, &event);
    if (connect(d->fd, (struct sockaddr *)&asked.to, sizeof asked.to) && errno != EINPROGRESS) drop(d);
}

static void dial_some(int64_t now) { /* as many as --dial allows */
    static int64_t allowed, since;
    if (!since) since = now;
    if (open_sockets == asked.devices) return;
    for (int i = 0; i < asked.devices && allowed < (now - since) * asked.dial / SECOND; i++)
        if (devices[i].fd < 0 && now >= devices[i].again_at) dial(&devices[i]), allowed++;
    if (allowed < (now - since) * asked.dial / SECOND) since = now, allowed = 0;
}

/* What waits for the kernel; whether nothing does any more. */
static int flush(struct device *d) {
    while (d->left) {
        ssize_t taken = send(d->fd, d->out + d->at, d->left, MSG_NOSIGNAL);
        if (taken < 0) {
            if (errno != EAGAIN) drop(d);
            return 0;
        }
        d->at += taken, d->left -= taken;
        if (!d->left) d->sent += d->counts;
    }
    return 1;
}

static void say(struct device *d, const uint8_t *bytes, size_t size, int counts) {
    ssize_t taken = send(d->fd, bytes, size, MSG_NOSIGNAL);
    if (taken == (ssize_t)size) { d->sent += counts; return; }
    if (taken < 0 && errno != EAGAIN) { drop(d); return; }
    if (taken < 0) {
        if (counts) { d->withheld++; return; } /* not a byte went out: it was never sent */
        taken = 0;
    }
    d->at = 0, d->left = (uint16_t)(size - taken), d->counts = (uint8_t)counts;
    memcpy(d->out, bytes + taken, d->left);
}

static void obey(struct device *d) {
    uint8_t frame[1024];
    unsigned stream = (unsigned)(d - devices) + 1, what = d->in[15];
    uint32_t soc = (uint32_t)(clock_ns(CLOCK_REALTIME) / SECOND);
    size_t size = 0;
    if (what == DATA_ON || what == DATA_OFF) running += (what == DATA_ON) - d->running, d->running = what == DATA_ON;
    if (what == SEND_CONFIGURATION_2) size = configuration_2(frame, stream, !asked.rectangular, asked.rate, soc);
    if (what == SEND_CONFIGURATION_3) size = configuration_3(frame, stream, !asked.rectangular, asked.rate, soc);
    if (size && flush(d)) say(d, frame, size, 0);
}

static void hear(struct device *d) { /* commands; of what follows another SYNC nothing is understood */
    for (;;) {
        ssize_t came = recv(d->fd, d->in + d->heard, sizeof d->in - d->heard, 0);
        if (came < 0 && errno == EAGAIN) return;
        if (came <= 0) { drop(d); return; }
        d->heard += came;
        if (d->heard < COMMAND_SIZE) continue;
        d->heard = 0;
        if (d->in[0] != 0xAA || d->in[1] >> 4 != SYNC_COMMAND >> 4) { drop(d); return; }
        obey(d);
        if (d->fd < 0) return;
    }
}

static void ready(struct device *d, uint32_t events) {
    if (!d->connected && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
        int fault = 0;
        socklen_t size = sizeof fault;
        getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &fault, &size);
        if (fault) { drop(d); return; }
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = d};
        epoll_ctl(poll_fd, EPOLL_CTL_MOD, d->fd, &event);
        d->connected = 1, d->heard = 0, connected++;
    }
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) hear(d);
}

/* ---- data ---- */

static void emit(struct device *d, int64_t slot, int64_t late) {
    if (!d->running) return;
    if (!flush(d)) { d->withheld++; return; }
    measure(d, slot);
    say(d, d->frame, DATA_SIZE, 1);
    lags[late < LAGS * 1000000LL ? late / 1000000 : LAGS]++;
    if (late > worst_lag) worst_lag = late;
}

static void emit_due(int64_t utc) { /* all that is due: `slot` and `next` are where we are */
    static int64_t slot;
    static int next;
    int64_t period = SECOND / asked.rate;
    if (!slot) slot = utc / period + 1;
    for (; utc > slot * period + STARVED; slot++, next = 0) /* this machine gave us no time: they never measured it */
        for (int i = next; i < asked.devices; i++) devices[i].withheld += devices[i].running;
    for (;;) {
        int64_t due = slot * period + DELAY + (asked.burst ? 0 : period * next / asked.devices);
        if (due > utc) return;
        if (!paused && next == 0) move_grid(slot);
        if (!paused) emit(&devices[next], slot, utc - due);
        if (++next == asked.devices) next = 0, slot++;
    }
}

static int64_t percentile(double share) { /* ms */
    int64_t all = 0, seen = 0;
    for (int i = 0; i <= LAGS; i++) all += lags[i];
    for (int i = 0; i <= LAGS; i++)
        if ((seen += lags[i]) >= share * (double)all) return i;
    return 0;
}

static void tell(int last) {
    struct rusage used;
    int64_t sent = 0, withheld = 0;
    getrusage(RUSAGE_SELF, &used);
    for (int i = 0; i < asked.devices; i++) sent += devices[i].sent, withheld += devices[i].withheld;
    printf("{\"utc\": %lld, \"connected\": %d, \"running\": %d, \"broken\": %d, \"total\": %lld, \"withheld\": %lld, "
           "\"cpu\": %.4f, \"late_p99_ms\": %lld, \"late_worst_ms\": %.1f, \"trip_at\": %lld, \"last\": %s",
           (long long)clock_ns(CLOCK_REALTIME), connected, running, broken, (long long)sent, (long long)withheld,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + 1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec),
           (long long)percentile(0.99), (double)worst_lag / 1e6, (long long)trip_at, last ? "true" : "false");
    if (last) {
        printf(", \"sent\": [");
        for (int i = 0; i < asked.devices; i++) printf(i ? ", %u" : "%u", devices[i].sent);
        printf("]");
    }
    printf("}\n");
    fflush(stdout);
}

/* ---- the program ---- */

static void pause_data(int number) { (void)number, paused = 1; }
static void leave(int number) { (void)number, leaving = 1; }

static void turn(int timer) { /* what came, and what is due */
    static struct epoll_event events[512];
    uint64_t expired;
    int count = epoll_wait(poll_fd, events, 512, -1);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == NULL) { if (read(timer, &expired, 8) < 0 && errno != EAGAIN) perror("load: timer"); }
        else ready(events[i].data.ptr, events[i].events);
    }
}

static void finish(void) { /* hang up in order: what the kernel holds reaches the station, and nothing resets it */
    int64_t until = clock_ns(CLOCK_MONOTONIC) + 10 * SECOND;
    for (int i = 0; i < asked.devices; i++)
        if (devices[i].fd >= 0 && flush(&devices[i])) shutdown(devices[i].fd, SHUT_WR);
    while (connected && clock_ns(CLOCK_MONOTONIC) < until) {
        struct epoll_event events[512];
        int count = epoll_wait(poll_fd, events, 512, 100);
        for (int i = 0; i < count; i++) {
            struct device *d = events[i].data.ptr;
            uint8_t any[512];
            ssize_t came = d && d->fd >= 0 ? recv(d->fd, any, sizeof any, 0) : 1;
            if (came == 0 || (came < 0 && errno != EAGAIN)) drop(d);
        }
    }
}

static void read_arguments(int count, char **words) {
    asked.to = (struct sockaddr_in){.sin_family = AF_INET};
    for (int i = 1; i < count; i++) {
        char *word = words[i], *value = i + 1 < count ? words[i + 1] : "", *colon = strchr(value, ':');
        if (!strcmp(word, "--burst")) { asked.burst = 1; continue; }
        if (!strcmp(word, "--rectangular")) { asked.rectangular = 1; continue; }
        if (!strcmp(word, "--devices")) asked.devices = atoi(value);
        else if (!strcmp(word, "--rate")) asked.rate = atoi(value);
        else if (!strcmp(word, "--seconds")) asked.seconds = atof(value);
        else if (!strcmp(word, "--trip")) asked.trip = atof(value);
        else if (!strcmp(word, "--dial")) asked.dial = atoi(value);
        else if (!strcmp(word, "--to") && colon) {
            *colon = 0;
            inet_pton(AF_INET, value, &asked.to.sin_addr);
            asked.to.sin_port = htons((uint16_t)atoi(colon + 1));
        } else { fprintf(stderr, "load: what is %s %s?\n", word, value); exit(2); }
        i++;
    }
    if (!asked.to.sin_port || asked.devices < 1 || asked.devices > 65534 || asked.rate < 1) {
        fprintf(stderr, "usage: load --to HOST:PORT --devices N [--rate 50] [--seconds S] [--burst] [--rectangular] "
                        "[--trip S] [--dial N]\n");
        exit(2);
    }
}

static void make_devices(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    devices = calloc((size_t)asked.devices, sizeof *devices);
    for (int i = 0; i < asked.devices; i++) {
        struct device *d = &devices[i];
        d->fd = -1, d->random = 0x9E3779B97F4A7C15ULL * (uint64_t)(i + 1);
        d->voltage = d->current = 1, d->angle = (float)(0.5 * sin(i));
        put_head(d->frame, SYNC_DATA, DATA_SIZE, (unsigned)i + 1, 0, 0);
    }
}

int main(int count, char **words) {
    read_arguments(count, words);
    make_crc_table(), make_noises(), make_devices();
    signal(SIGUSR1, pause_data), signal(SIGTERM, leave), signal(SIGINT, leave);
    poll_fd = epoll_create1(0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec each = {{0, TICK}, {0, TICK}};
    timerfd_settime(timer, 0, &each, NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer, &event);
    int64_t period = SECOND / asked.rate, tell_at = 0;
    while (!leaving) {
        turn(timer);
        int64_t now = clock_ns(CLOCK_MONOTONIC), utc = clock_ns(CLOCK_REALTIME);
        if (!paused) dial_some(now);
        if (!began && running == asked.devices) began = utc, worst_lag = 0, memset(lags, 0, sizeof lags);
        if (began && !trip_at && isfinite(asked.trip) && utc >= began + (int64_t)(asked.trip * 1e9))
            trip_at = (utc / period + 2) * period;
        emit_due(utc);
        if (began && asked.seconds > 0 && utc >= began + (int64_t)(asked.seconds * 1e9)) leaving = 1;
        if (now >= tell_at) tell(0), tell_at = now + SECOND;
    }
    finish();
    tell(1);
    return 0;
}
