public class Main {
    public static void main(String[] args) throws Exception {
        Hostile.main();
        new Thread(() -> {
            for (;;) System.err.println("more".repeat(100));
        }).start();
        for (;;) System.out.println("more".repeat(100));
    }
}
