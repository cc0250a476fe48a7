#include <iostream>
#include <vector>

int main() {
    constexpr int modulus = 1'000'000'007;
    int amount, kinds;
    std::cin >> amount >> kinds;
    std::vector<int> ways(amount + 1);
    ways[0] = 1;
    while (kinds-- > 0) {
        int coin;
        std::cin >> coin;
        for (int i = coin; i <= amount; ++i) {
            ways[i] = (ways[i] + ways[i - coin]) % modulus;
        }
    }
    std::cout << ways[amount] << '\n';
}
