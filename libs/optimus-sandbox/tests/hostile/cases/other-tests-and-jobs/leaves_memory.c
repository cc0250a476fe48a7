#include "hostile.h"
#include <mqueue.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

int attack(void) {
    int create = attack_number == 1;
    int flags = create ? O_CREAT | O_RDWR : O_RDWR;
    int system_v = create ? IPC_CREAT | 0666 : 0666;
    int memory = shm_open("/mine", flags, 0666);
    sem_t *semaphore = sem_open("/mine", flags, 0666, 7);
    mqd_t queue = mq_open("/mine", flags | O_NONBLOCK, 0666, 0);
    int segment = shmget(4711, 4096, system_v), set = semget(4711, 1, system_v), messages = msgget(4711, system_v);
    if (create) {
        if (memory >= 0) ftruncate(memory, 4096);
        if (queue >= 0) mq_send(queue, "x", 1, 0);
        if (segment >= 0) puts("System V memory is to be had");
        if (set >= 0) puts("System V semaphores are to be had");
        if (messages >= 0) puts("System V messages are to be had");
    } else {
        if (memory >= 0) puts("the memory is still there");
        if (semaphore != SEM_FAILED) puts("the semaphore is still there");
        if (queue >= 0) puts("the queue is still there");
        if (segment >= 0 || set >= 0 || messages >= 0) puts("System V objects are still there");
    }
    puts("withstood");
    return 0;
}
