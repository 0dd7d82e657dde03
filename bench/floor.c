/* The floor under any recorder: every 20 ms, recv what the cameras sent and write it to a file each. No parsing
 * beyond the RTSP dialogue, no sealing, no hash, no index. Usage: floor DIRECTORY rtsp://127.0.0.1:PORT/PATH ... */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;
static void stop(int signal_number) { (void)signal_number; stopping = 1; }

static void ask(int fd, const char *request) {
    static char reply[65536];
    size_t have = 0;
    if (send(fd, request, strlen(request), 0) < 0) exit(1);
    while (have < sizeof reply - 1) {
        ssize_t n = recv(fd, reply + have, 1, 0);
        if (n <= 0) exit(1);
        have += (size_t)n;
        reply[have] = 0;
        char *end = strstr(reply, "\r\n\r\n");
        if (end) {
            char *length = strstr(reply, "Content-Length: ");
            size_t body = length ? (size_t)atoi(length + 16) : 0;
            if (have >= (size_t)(end - reply) + 4 + body) return;
        }
    }
}

int main(int argc, char **argv) {
    static char buffer[1 << 20], request[4096], path[4096];
    int cameras = argc - 2, epoll = epoll_create1(0);
    int *files = calloc((size_t)argc, sizeof *files), *sockets = calloc((size_t)argc, sizeof *sockets);
    signal(SIGTERM, stop);
    mkdir(argv[1], 0755);
    for (int i = 0; i < cameras; i++) {
        const char *url = argv[i + 2];
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        address.sin_port = htons((unsigned short)atoi(strchr(url + 7, ':') + 1));
        sockets[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(sockets[i], (struct sockaddr *)&address, sizeof address)) return 1;
        snprintf(request, sizeof request, "DESCRIBE %s RTSP/1.0\r\nCSeq: 1\r\n\r\n", url);
        ask(sockets[i], request);
        snprintf(request, sizeof request,
                 "SETUP %s/track0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n", url);
        ask(sockets[i], request);
        snprintf(request, sizeof request, "PLAY %s RTSP/1.0\r\nCSeq: 3\r\nSession: 1234\r\n\r\n", url);
        if (send(sockets[i], request, strlen(request), 0) < 0) return 1;
        fcntl(sockets[i], F_SETFL, O_NONBLOCK);
        snprintf(path, sizeof path, "%s/%d.rtp", argv[1], i);
        files[i] = open(path, O_CREAT | O_WRONLY | O_APPEND, 0644);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &event);
    }
    while (!stopping) {
        static struct epoll_event events[1024];
        struct timespec tick = {.tv_nsec = 20000000};
        nanosleep(&tick, NULL);
        int ready = epoll_wait(epoll, events, 1024, 0);
        for (int e = 0; e < ready; e++) {
            int i = events[e].data.fd;
            ssize_t n = recv(sockets[i], buffer, sizeof buffer, 0);
            if (n == 0) epoll_ctl(epoll, EPOLL_CTL_DEL, sockets[i], NULL);
            if (n > 0 && write(files[i], buffer, (size_t)n) != n) return 1;
        }
    }
    return 0;
}
