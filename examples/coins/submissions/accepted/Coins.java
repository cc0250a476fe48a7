import java.util.Scanner;

public class Coins {
    private static final int MODULUS = 1_000_000_007;

    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        int amount = input.nextInt();
        int kinds = input.nextInt();
        int[] ways = new int[amount + 1];
        ways[0] = 1;
        while (kinds-- > 0) {
            int coin = input.nextInt();
            for (int i = coin; i <= amount; i++) {
                ways[i] = (ways[i] + ways[i - coin]) % MODULUS;
            }
        }
        System.out.println(ways[amount]);
    }
}
