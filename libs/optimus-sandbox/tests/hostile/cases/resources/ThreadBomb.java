public class Main {
    public static void main(String[] args) throws Exception {
        Hostile.main();
        for (int i = 0; i < 10_000; i++) {
            Thread thread = new Thread(null, () -> {
                try {
                    Thread.sleep(1_000_000);
                } catch (InterruptedException e) {
                }
            }, "more", 1 << 16);
            thread.setDaemon(true);
            thread.start();
        }
        System.out.println("ten thousand threads");
    }
}
