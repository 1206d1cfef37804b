/* A Modbus TCP device made of libmodbus, so that the product is tested against somebody else's stack.
 *
 * usage: foreign_device PORT      (0 = free; the port is printed as "port N")
 * stdin:  h ADDRESS VALUE   set a holding register          d ADDRESS VALUE   set a discrete input
 *         c ADDRESS VALUE   set a coil behind the master's back
 * stdout: "coil ADDRESS VALUE" whenever a master changes a coil, "reg ADDRESS VALUE" for a register.
 *
 * It has a watchdog: register 100 is its time in tenths of a second, 101 enables it, 102 holds the safe values of coils
 * 0 to 15. It begins with a master's first request; when none comes for its time the coils fall to their safe values and
 * it says "watchdog 100 MS", once for each silence. Registers are 0 at the start: it is off.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 512, TIME = 100, ENABLE = 101, SAFE = 102 };

static modbus_mapping_t *map;
static uint8_t coils_seen[SIZE];
static uint16_t registers_seen[SIZE];
static long heard_ms; /* 0: by nobody since the start or since the watchdog has fallen */

static void tell_changes(void) {
    for (int i = 0; i < SIZE; i++) {
        if (map->tab_bits[i] != coils_seen[i]) {
            coils_seen[i] = map->tab_bits[i];
            printf("coil %d %d\n", i, coils_seen[i]);
        }
        if (map->tab_registers[i] != registers_seen[i]) {
            registers_seen[i] = map->tab_registers[i];
            printf("reg %d %d\n", i, registers_seen[i]);
        }
    }
    fflush(stdout);
}

static long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void watch(void) {
    long silent_ms = now_ms() - heard_ms;
    if (!heard_ms || !map->tab_registers[ENABLE] || silent_ms < map->tab_registers[TIME] * 100) return;
    heard_ms = 0;
    for (int i = 0; i < 16; i++) map->tab_bits[i] = map->tab_registers[SAFE] >> i & 1;
    printf("watchdog %d %ld\n", TIME, silent_ms);
    tell_changes();
}

static int obey_line(void) {
    char line[80], table;
    int address, value;
    if (!fgets(line, sizeof line, stdin)) return 0;
    if (sscanf(line, "%c %d %d", &table, &address, &value) != 3 || address < 0 || address >= SIZE) return 1;
    if (table == 'h') registers_seen[address] = map->tab_registers[address] = (uint16_t)value;
    if (table == 'd') map->tab_input_bits[address] = (uint8_t)value;
    if (table == 'c') coils_seen[address] = map->tab_bits[address] = (uint8_t)value;
    return 1;
}

int main(int argc, char **argv) {
    modbus_t *bus = modbus_new_tcp("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0);
    map = modbus_mapping_new(SIZE, SIZE, SIZE, SIZE);
    int listener = modbus_tcp_listen(bus, 8);
    struct sockaddr_in name;
    socklen_t length = sizeof name;
    fd_set open;
    int highest = listener;
    if (listener < 0 || !map || getsockname(listener, (struct sockaddr *)&name, &length)) return 1;
    setvbuf(stdin, NULL, _IONBF, 0);
    printf("port %d\n", ntohs(name.sin_port));
    fflush(stdout);
    FD_ZERO(&open);
    FD_SET(listener, &open);
    FD_SET(0, &open);
    for (;;) {
        fd_set ready = open;
        struct timeval turn = {0, 20000};
        if (select(highest + 1, &ready, NULL, NULL, &turn) < 0) return 1;
        watch();
        for (int fd = 0; fd <= highest; fd++) {
            uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
            if (!FD_ISSET(fd, &ready)) continue;
            if (fd == 0) {
                if (!obey_line()) return 0;
            } else if (fd == listener) {
                int client = accept(listener, NULL, NULL);
                if (client >= 0) {
                    FD_SET(client, &open);
                    if (client > highest) highest = client;
                }
            } else {
                modbus_set_socket(bus, fd);
                int size = modbus_receive(bus, query);
                if (size > 0) heard_ms = now_ms();
                if (size > 0) modbus_reply(bus, query, size, map);
                if (size < 0) {
                    close(fd);
                    FD_CLR(fd, &open);
                }
                tell_changes();
            }
        }
    }
}
