// Uses memory in the way that the first word of its input names, and then waits as many milliseconds as the second one says.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

constexpr long MIB = 1L << 20;

static void write_file(const char *path, long bytes) {
    std::ofstream file(path, std::ios::binary);
    std::vector<char> data(1 << 16);
    for (long at = 0; at < bytes; at += data.size()) file.write(data.data(), data.size());
}

int main() {
    std::ios::sync_with_stdio(false);
    std::string kind;
    int hold;
    std::cin >> kind >> hold;
    std::cin.get();
    // What a kind has made stays until the end.
    std::vector<int> numbers;
    std::map<int, int> tree;
    std::vector<std::string> strings;
    std::vector<std::vector<char>> parts(4);
    std::string all;
    if (kind == "hello") std::cout << "hello" << std::endl;
    else if (kind == "array") numbers.assign(20 * MIB / sizeof(int), 7);
    else if (kind == "map") for (int i = 0; i < 100000; i++) tree[i * 7 % 100003] = i;
    else if (kind == "strings") {
        for (int i = 0; i < 50000; i++) strings.push_back(std::string(100, 'a' + i % 26));
        std::sort(strings.begin(), strings.end());
    } else if (kind == "threads") {
        std::vector<std::thread> made;
        for (auto &part : parts) made.emplace_back([&part] { part.assign(2 * MIB, 1); });
        for (auto &one : made) one.join();
    } else if (kind == "file") write_file("/dev/shm/file", 8 * MIB);
    else if (kind == "output") for (long at = 0; at < 8 * MIB; at += 64) std::cout << std::string(63, '1') << '\n';
    else if (kind == "input") {
        all.assign(std::istreambuf_iterator<char>(std::cin), {});
        if (all.size() != 8 * MIB) return 93;
    } else if (kind == "fill") { write_file("/tmp/fill", 48 * MIB); write_file("/dev/shm/fill", 48 * MIB); }
    else if (kind != "nothing") return 95;
    std::cout.flush();
    std::this_thread::sleep_for(std::chrono::milliseconds(hold));
}
