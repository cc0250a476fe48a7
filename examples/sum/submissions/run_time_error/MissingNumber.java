import java.util.ArrayList;
import java.util.List;
import java.util.Scanner;

/** Reads beyond the last number, and ends in an exception. */
public class MissingNumber {
    public static void main(String[] args) {
        Scanner input = new Scanner(System.in);
        int count = input.nextInt();
        List<Long> numbers = new ArrayList<>();
        for (int i = 0; i <= count; i++) {
            numbers.add(input.nextLong());
        }
        System.out.println(numbers.stream().mapToLong(Long::longValue).sum());
    }
}
