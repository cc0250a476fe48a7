import java.util.concurrent.Semaphore;

public class Main {
    public static void main(String[] args) throws Exception {
        Hostile.main();
        new Semaphore(0).acquire();
    }
}
