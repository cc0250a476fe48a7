/** Forgets to end its loop. */
public class Flood {
    public static void main(String[] args) {
        while (true) {
            System.out.println("0.0 ".repeat(256));
        }
    }
}
