// Takes the way with the fewest roads, not the shortest one.
#include <cstdint>
#include <iostream>
#include <queue>
#include <utility>
#include <vector>

int main() {
    std::ios::sync_with_stdio(false);
    std::cin.tie(nullptr);
    int places, roads;
    std::cin >> places >> roads;
    std::vector<std::vector<std::pair<int, int>>> from(places + 1);
    while (roads-- > 0) {
        int start, end, length;
        std::cin >> start >> end >> length;
        from[start].emplace_back(end, length);
    }
    std::vector<std::int64_t> distances(places + 1, -1);
    std::queue<int> queue;
    distances[1] = 0;
    queue.push(1);
    while (!queue.empty()) {
        const int place = queue.front();
        queue.pop();
        for (const auto& [end, length] : from[place]) {
            if (distances[end] < 0) {
                distances[end] = distances[place] + length;
                queue.push(end);
            }
        }
    }
    for (int place = 1; place <= places; ++place) {
        std::cout << distances[place] << '\n';
    }
}
