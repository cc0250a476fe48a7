import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;

public class Main {
    public static void main(String[] args) throws Exception {
        Hostile.main();
        String me = String.valueOf(ProcessHandle.current().pid());
        for (File process : new File("/proc").listFiles()) {
            if (!process.getName().matches("[0-9]+") || process.getName().equals(me)) continue;
            for (int fd = 0; fd < 20; fd++) {
                try (FileInputStream in = new FileInputStream(new File(process, "fd/" + fd))) {
                    System.out.println("open: " + process + " " + fd);
                } catch (IOException e) {
                }
            }
        }
        try (FileInputStream in = new FileInputStream("/proc/self/fd/0")) {
            String text = new String(in.readAllBytes());
            if (!text.isEmpty() && !text.equals("attack 1\n")) System.out.println("another input: " + text);
        } catch (IOException e) {
        }
        System.out.println("withstood");
    }
}
