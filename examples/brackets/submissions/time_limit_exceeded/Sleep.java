/** Takes little CPU time, and no end. */
public class Sleep {
    public static void main(String[] args) throws InterruptedException {
        Thread.sleep(600_000);
    }
}
