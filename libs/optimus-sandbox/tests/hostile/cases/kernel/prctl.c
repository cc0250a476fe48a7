#include "hostile.h"
#include "refused.h"
#include <sys/prctl.h>

int attack(void) {
    refused("PR_SET_MM", prctl(PR_SET_MM, PR_SET_MM_ARG_START, main, 0, 0));
    refused("PR_CAPBSET_DROP", prctl(PR_CAPBSET_DROP, 0, 0, 0, 0));
    refused("PR_SET_SECUREBITS", prctl(PR_SET_SECUREBITS, 1, 0, 0, 0));
    refused("PR_CAP_AMBIENT", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0));
    refused("clearing no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    refused("leaving the filter", prctl(PR_SET_SECCOMP, 0, 0, 0, 0));
    refused("PR_MCE_KILL", prctl(PR_MCE_KILL, 99, 0, 0, 0));
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) refused("no_new_privs", 0);
    return verdict();
}
