public class Main {
    public static void main(String[] args) throws Exception {
        Hostile.main();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            for (;;) {
                try {
                    Thread.sleep(1_000_000);
                } catch (InterruptedException e) {
                }
            }
        }));
        System.out.println("withstood");
        System.exit(0);
    }
}
