#include "hostile.h"
#include <filesystem>

namespace fs = std::filesystem;

int attack(void) {
    std::error_code error;
    for (const char *place : {"/box", "/tmp", "/dev", "/etc", "/root", "/home", "/run", "/var", "/bin", "/optimus"}) {
        fs::remove_all(place, error);
        if (!fs::is_directory(place, error)) continue;
        for (fs::directory_iterator entry(place, error), end; !error && entry != end; entry.increment(error)) {
            std::error_code ignored;
            fs::remove_all(entry->path(), ignored);
        }
    }
    if (!access("/box/.optimus/main", F_OK) && !access("/bin/sh", F_OK) && !access("/dev/null", F_OK)) puts("withstood");
    return 0;
}
