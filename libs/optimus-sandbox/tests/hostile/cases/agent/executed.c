#include "hostile.h"

/* The agent's own program, called as the agent is, by a guest. */
int attack(void) {
    const char *phases[] = {"receive", "compile", "test"};
    int through = 0;
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            int nothing = open("/dev/null", O_RDWR);
            for (int file = 0; file < 3; file++) dup2(nothing, file);
            execl("/optimus/optimus-runner", "optimus-runner", phases[i], (char *)0);
            execl("/bin/sh", "sh", "/optimus/runner.sh", (char *)0);
            _exit(1);
        }
        int status;
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) printf("%s did its work\n", phases[i]), through = 1;
    }
    if (!through) puts("withstood");
    return 0;
}
