import java.util.Scanner;

/** Counts 1 + 2 and 2 + 1 as two ways. */
public class Orders {
    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        int amount = input.nextInt();
        int[] coins = new int[input.nextInt()];
        for (int i = 0; i < coins.length; i++) {
            coins[i] = input.nextInt();
        }
        long[] ways = new long[amount + 1];
        ways[0] = 1;
        for (int i = 1; i <= amount; i++) {
            for (int coin : coins) {
                if (coin <= i) {
                    ways[i] = (ways[i] + ways[i - coin]) % 1_000_000_007;
                }
            }
        }
        System.out.println(ways[amount]);
    }
}
